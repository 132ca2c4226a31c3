"""Foreign ONNX image networks made into artifacts, with the plain install: no torch, no timm, nothing of trainer/.

adopt.py is the way; foreign.py reads the file with suspicion: cut.py takes what one value needs, weights.py reads its
weights, determinism.py refuses what draws lots. original.py runs that untouched as the reference, surgery.py puts the
pixels in front, batch.py makes its batch dynamic and independence.py proves it. Of the rest of export/ only folding.py
may be imported, and no network is trained, changed in its weights or trusted without having been run.
"""
