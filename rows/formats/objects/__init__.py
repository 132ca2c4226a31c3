"""Formats of pictures with objects: a row for each object, or for each image, as the reading asks (../reading.py).

coco.py       a COCO file, over coco_content (what is kept of it) and json_elements (its arrays, element by element)
yolo.py       YOLO label files, over yolo_folder (which images a data set has, and where their labels are)
Not here: what a box is (rows/regions.py), and pixels (artifact/images).
"""
