"""By whose rules tracks are judged: what is an object, and what is forgiven.

A protocol is a module with

    CLASS_NAMES: tuple[str, ...]
        names of what it judges, in order of its class ids
    CLASS_OF_PRODUCT: Mapping[int, int]
        class id of the product: class id here; other classes of the product are left out
    CLASS_OF_FILE: Mapping[str, int]
        class as a result file writes it, in lower case: class id here, or `NOT_JUDGED`
    read_truth(path: Path, options: TruthOptions) -> list[SequenceJudge]
        the ground truth of every sequence at `path`; raises InputError where there is none or it
        is damaged

`PROTOCOLS` names them; a new one is one new file and one line. The metrics themselves are always
TrackEval's.
"""

PROTOCOLS = {
    'product': 'offline_training.evaluation.protocols.product',
    'mot_challenge': 'offline_training.evaluation.protocols.mot_challenge',
    'kitti': 'offline_training.evaluation.protocols.kitti',
}
