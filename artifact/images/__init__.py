"""Images from encoded files to the pixels of a network: formats, damage, limits, memory, resize.

Every file of this room is copied, as it is, next to the python-backend model NAME_decode, which runs in tritonserver.
So it imports the standard library, NumPy, Pillow, simplejpeg, cykooz-resizer and, by relative imports, its neighbours.
Not here: where the bytes come from (rows), and who waits for them (serving, trainer).
"""
