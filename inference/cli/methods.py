"""Names of methods meet objects: the baselines of the papers, our systems, and their ablations, on one set of features."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from pyro import poutine
from torch import Tensor
from torch.nn.functional import normalize

from probbody.bodies.skinned import SkinnedBody
from probbody.contracts import PosePrior
from probbody.errors import BadInput
from probbody.extractors.learnt import LearntFeatures
from probbody.extractors.person_reader import PersonReader
from probbody.extractors.reading import PictureReader
from probbody.extractors.two_readers import TwoReaders
from probbody.features import DirectedFeatures, Directions, LogMixture, NoOutliers, OneDirection, SigmoidDirections
from probbody.features.backgrounds import MixtureBackground
from probbody.models import GuessEvidence, KeypointBody, KeypointEvidence, MatchedBody, OutlineEvidence
from probbody.models.evidence import Evidence as ModelEvidence
from probbody.render import MeshRenderer
from probbody.systems import neural_body_volume, neural_smpl, released_code, what_is_read

from ..density import Model
from ..evaluate.fine_tuning import FineTuned
from ..evaluate.fitting import (
    ByKeypoints,
    ByMatches,
    Evidence,
    Fitted,
    Sketcher,
    everything,
    features_alone,
    features_and_keypoints,
    features_and_outline,
    keypoints_alone,
    outline_and_keypoints,
)
from ..evaluate.method import Method
from ..evaluate.regression import MiddleOfLooks, Started
from ..evaluate.starts import AsRead, MeanPose, Start
from .parts import with_second

STEPS = 50
LAYOUT = "coco17"
_BINS = ((1.0, 0.0, 0.0), (0.0, 0.0, 1.0), (0.0, 0.0, -1.0))
"""Limbs in the picture's plane, away, towards: what the released code's three bins stand for."""


@dataclass(frozen=True)
class Workshop:
    """What methods are put together from: the same for all, so that a comparison is one of methods."""

    body: SkinnedBody
    prior: PosePrior
    learnt: LearntFeatures
    steps: int = STEPS
    start: Start | None = None
    """Where fits start instead of at the reader's guess."""

    def regressor(self) -> Method:
        """The start alone; of the reader's guesses the first, of the picture as it is."""
        return Started(self.start or AsRead(self._first()), self.body)

    def looks(self) -> Method:
        """What the regressor takes the body for in several looks, the middle of it: a fit knows no less."""
        return MiddleOfLooks(self.learnt, self.body)

    def mean_pose(self) -> Method:
        """Somebody, looked at by nobody."""
        return Started(MeanPose(self._reader()), self.body)

    def smplify(self) -> Method:
        """Keypoints alone."""
        return self._fitted("SMPLify", KeypointBody(self.body, self.prior, LAYOUT), keypoints_alone, ())

    def eft(self) -> Method:
        """The regressor, trained on by each picture's keypoints."""
        return FineTuned(self._reader(), self.body)

    def outline(self) -> Method:
        """Where the network sees a body, and keypoints; what pixels look like, and the guess, are hidden from the model."""
        beside = (KeypointEvidence(self.body, LAYOUT), OutlineEvidence(weight=self.learnt.temper))
        guesses = [each.site for each in what_is_read(self.learnt) if isinstance(each, GuessEvidence)]
        model = poutine.block(self._volume(evidence=beside), hide=["features", "spots", *guesses])
        return self._fitted("outline + keypoints", model, outline_and_keypoints, (self._by_keypoints(),))

    def neural_smpl(self, *, keypoints: bool = False) -> Method:
        """A mesh, a mixture over limb directions."""
        parts = (self.body, self.learnt.features, self.learnt.background, self.prior)
        beside = KeypointEvidence(self.body, LAYOUT) if keypoints else None
        model = neural_smpl(
            *parts, concentration=self.learnt.concentration, likelihood=LogMixture(temper=self.learnt.temper),
            keypoints=beside, evidence=what_is_read(self.learnt),
        )  # fmt: skip
        return self._by_pixels("NeuralSMPL", model, keypoints=keypoints)

    def nbv(self, *, keypoints: bool = False) -> Method:
        """3DNBF."""
        beside = (KeypointEvidence(self.body, LAYOUT),) if keypoints else ()
        return self._by_pixels("3DNBF", self._volume(evidence=beside), keypoints=keypoints)

    def from_the_mean(self) -> Method:
        """3DNBF without a guess: from the mean pose, turned to all sides."""
        start = MeanPose(self._reader(), (0.0, 1.5707963))  # fits turn each of them about
        blind = replace(self, start=start, learnt=replace(self.learnt, guesses=(), spot_weight=0.0))
        return replace(_fitted(blind.nbv()), name="3DNBF from the mean pose")

    def mesh(self) -> Method:
        """The body as a mesh instead of a volume."""
        return self._by_pixels("mesh in place of volume", self._volume(renderer=MeshRenderer()))

    def without_outliers(self) -> Method:
        """Nothing hides the body."""
        return self._by_pixels("outlier process off", self._volume(likelihood=NoOutliers(temper=self.learnt.temper)))

    def one_direction(self) -> Method:
        """Features that do not know how limbs are turned."""
        return replace(_fitted(replace(self, learnt=without_directions(self.learnt)).nbv()), name="O = 1")

    def one_look(self) -> Method:
        """Pictures are looked at as they are, and no more."""
        return replace(_fitted(replace(self, learnt=replace(self.learnt, looks=None)).nbv()), name="3DNBF, one look")

    def two_networks(self) -> Method:
        """Features of another network that learnt apart, guesses and maps of both."""
        both = replace(self, learnt=with_second(self.learnt))
        return replace(_fitted(both.nbv()), name="3DNBF, two networks")

    def without_guess(self) -> Method:
        """The guess is where the fit starts, as in the paper, and is not believed."""
        blind = replace(self, learnt=replace(self.learnt, guesses=()))
        return replace(_fitted(blind.nbv()), name="guess not believed")

    def features_only(self) -> Method:
        """Of what the reader tells only features are believed, as in the paper."""
        blind = replace(self, learnt=replace(self.learnt, guesses=(), spot_weight=0.0))
        return replace(_fitted(blind.nbv()), name="features alone")

    def tempered(self, factor: float) -> Method:
        """The evidence of pixels weighed otherwise."""
        likelihood = LogMixture(temper=factor * self.learnt.temper)
        return self._by_pixels(f"tau x {factor:g}", self._volume(likelihood=likelihood))

    def with_outline_alone(self) -> Method:
        """The outline beside the features."""
        model = self._volume(evidence=(OutlineEvidence(weight=self.learnt.temper),))
        return self._fitted("3DNBF + outline", model, features_and_outline, (self._by_matches(),))

    def with_outline(self) -> Method:
        """Keypoints and the outline beside the features."""
        beside = (KeypointEvidence(self.body, LAYOUT), OutlineEvidence(weight=self.learnt.temper))
        return self._fitted(
            "3DNBF + keypoints + outline", self._volume(evidence=beside), everything, (self._by_keypoints(),)
        )

    def without_sketch(self) -> Method:
        """No points lead to where the model that renders begins."""
        return self._fitted("without matches", self._volume(), features_alone, ())

    def released(self) -> Method:
        """3DNBF as its released code has it, with its bins' features told from those of the circle."""
        background = self.learnt.background
        assert isinstance(background, MixtureBackground)
        shares = background.weights[:, None] * background.directions
        field = rebinned(self.learnt.features, SigmoidDirections(3))
        clutter = normalize(shares.sum(0), dim=-1)
        return self._by_pixels("released code", released_code(self.body, field, clutter, self.prior, size=(48, 48)))

    def _volume(self, evidence: tuple[ModelEvidence, ...] = (), **parts: object) -> Model:
        beside = what_is_read(self.learnt) + evidence
        held = {"likelihood": LogMixture(temper=self.learnt.temper), "evidence": beside, **parts}
        known = (self.body, self.learnt.features, self.learnt.background, self.prior)
        model: Model = neural_body_volume(*known, concentration=self.learnt.concentration, **held)  # type: ignore[arg-type]
        return model

    def _by_pixels(self, name: str, model: Model, *, keypoints: bool = False) -> Method:
        if not keypoints:
            return self._fitted(name, model, features_alone, (self._by_matches(),))
        # not by matches too: their bodies meet the keypoints with a wide noise, and are never kept beside those led by these
        return self._fitted(f"{name} + keypoints", model, features_and_keypoints, (self._by_keypoints(),))

    def _fitted(self, name: str, model: Model, evidence: Evidence, leads: tuple[Sketcher, ...]) -> Method:
        return Fitted(name, model, self.body, self.prior, self.learnt, self.start, evidence, leads, steps=self.steps)

    def _by_matches(self) -> Sketcher:
        def story(vertex: Tensor) -> Model:
            model: Model = MatchedBody(self.body, self.prior, vertex)
            return model

        return ByMatches(story, self.learnt)

    def _by_keypoints(self) -> Sketcher:
        return ByKeypoints(KeypointBody(self.body, self.prior, LAYOUT))

    def _reader(self) -> PersonReader:
        reader = self._first()
        if not isinstance(reader, PersonReader):
            raise BadInput(f"--features: expected a PersonReader, found {type(reader).__name__}.")
        return reader

    def _first(self) -> PictureReader:
        """The one that tells of the body first."""
        reader = self.learnt.reader
        return reader.first if isinstance(reader, TwoReaders) else reader


METHODS: dict[str, Callable[[Workshop], Method]] = {
    "mean-pose": Workshop.mean_pose,
    "regressor": Workshop.regressor,
    "looks": Workshop.looks,
    "smplify": Workshop.smplify,
    "eft": Workshop.eft,
    "outline": Workshop.outline,
    "neural-smpl": Workshop.neural_smpl,
    "neural-smpl+keypoints": lambda shop: shop.neural_smpl(keypoints=True),
    "nbv": Workshop.nbv,
    "nbv+keypoints": lambda shop: shop.nbv(keypoints=True),
    "nbv+outline": Workshop.with_outline_alone,
    "nbv+keypoints+outline": Workshop.with_outline,
    "nbv-from-the-mean": Workshop.from_the_mean,
    "nbv-mesh": Workshop.mesh,
    "nbv-without-guess": Workshop.without_guess,
    "nbv-features-alone": Workshop.features_only,
    "nbv-one-look": Workshop.one_look,
    "nbv-two-networks": Workshop.two_networks,
    "nbv-without-outliers": Workshop.without_outliers,
    "nbv-one-direction": Workshop.one_direction,
    "nbv-without-matches": Workshop.without_sketch,
    "nbv-tau-0.1": lambda shop: shop.tempered(0.1),
    "nbv-tau-10": lambda shop: shop.tempered(10.0),
    "released-code": Workshop.released,
}
"""What ``--method`` may say."""


def method_named(name: str, shop: Workshop) -> Method:
    """A method by its name on the command line."""
    if name not in METHODS:
        raise BadInput(f"--method: expected one of {', '.join(METHODS)}, found {name!r}.")
    return METHODS[name](shop)


def without_directions(learnt: LearntFeatures) -> LearntFeatures:
    """The same reader, whose field is blind to how limbs are turned: O = 1.

    The rows of a vertex are averaged over its directions, which is the most likely single one if all were seen as often.
    """
    field = learnt.features
    mean = normalize(field.features.sum(1, keepdim=True), dim=-1)
    return replace(learnt, features=DirectedFeatures(mean, field.limbs, OneDirection()))


def rebinned(field: DirectedFeatures, bins: Directions) -> DirectedFeatures:
    """What a field expects of limbs in the picture's plane, away and towards the camera, as features of three bins.

    In the plane that is the mean of a limb that lies along x.
    """
    limbs = torch.tensor(_BINS).to(field.features)
    shares = field.directions.weights(limbs)
    return DirectedFeatures(normalize(torch.einsum("no,vod->vnd", shares, field.features), dim=-1), field.limbs, bins)


def _fitted(method: Method) -> Fitted:
    assert isinstance(method, Fitted)
    return method
