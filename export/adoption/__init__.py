"""Foreign ONNX image networks made into artifacts, with the plain install: no torch, no timm, nothing of trainer/.

adopt.py is the way; foreign.py reads the file with suspicion: cut.py takes what one value needs, weights.py reads its
weights, determinism.py refuses what draws lots. original.py runs that untouched as the reference, surgery.py puts the
pixels in front, batch.py makes its batch dynamic and independence.py proves it. pooling.py makes vectors of maps;
adopted_manifest.py says what came of it, adopted.py writes it. adopt_regions.py adopts maps with boxes, boxed_map.py
puts these in; adopt_detector.py adopts detectors: detected.py is their reference by numpy, detections.py their graph.

Of the rest of export/ only what is about graphs may be imported (folding.py, graph_values.py, regions.py,
region_reference.py), and no network is trained, changed in its weights or trusted without having been run.
"""
