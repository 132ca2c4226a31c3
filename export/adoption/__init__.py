"""Foreign ONNX image networks made into artifacts, with the plain install: no torch, no timm, nothing of trainer/.

adopt.py is the way; foreign.py reads the file with suspicion, original.py runs it untouched as the reference,
surgery.py cuts the graph and puts the pixels in front, batch.py makes its batch dynamic. Of the rest of export/ only
folding.py may be imported, and no network is trained, changed in its weights or trusted without having been run.
"""
