"""A Triton model repository: published versions of artifacts, whole or not at all.

reading finds models and versions, publishing, extraction and changes move them, layout finds what is wrong; companions
are NAME_decode (whose model.py is triton_decode) and NAME_encoded; triton_config, variants and tuning are config.pbtxt.
Nothing here serves or runs a model; triton_decode is copied out and never imported.
"""
