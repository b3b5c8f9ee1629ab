"""How good a model is: TrackEval judges tracks, pycocotools judges detections.

Whose rules decide what counts is a choice (`protocols`): MOTChallenge's and KITTI's are as
TrackEval has them, with the same numbers; the product's own are these:

- Only classes that a sequence labels exhaustively, and that the model knows, are scored on it.
- Each class is scored by itself; `class_average` is the mean over classes that have objects,
  `all` pools the classes' detections (TrackEval's `combine_classes_det_averaged`): an object found
  as another class is a miss and a false alarm there too.
- A prediction matched to a region to ignore is taken out before scoring, as TrackEval does with
  distractors: predictions and all boxes of the class are matched one to one at IoU 0.5 first.
  We differ from TrackEval's MOTChallenge command in two points: it counts a prediction on a row
  whose `active` is 0 as a false alarm unless the row's class is a distractor, we forgive it; and
  it does not preprocess MOT15, we treat all sets alike.
- Sequences are pooled by origin: real ones together, synthetic ones together, never both.
- Of a partly labelled sequence (one labelled object among others) only what false alarms do not
  touch is reported: recall, identity recall, switches, fragments.
"""
