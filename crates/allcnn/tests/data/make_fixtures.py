#!/usr/bin/env python3
"""Makes the small files of this folder with NumPy and Pillow (pip install numpy pillow).

cifar10.protocolN.pickle   a python batch of three images as this NumPy writes it, pickle protocol N
cifar10.python2.pickle     the same in the form of the official files, which Python 2 wrote: byte strings, and the
                           module names of NumPy 1 (written out by hand, as no Python 3 writes it)
cifar100.protocol2.pickle  with fine and coarse labels
meta.pickle                the names of the classes
malicious.pickle           asks for os.system to be called when it is read
cmyk.jpg                   a CMYK JPEG: left half cyan, right half black
turned.jpg                 32 wide, 16 high, left half black; its EXIF says: turn by 90 degrees
"""
import os, pickle, struct
import numpy as np
from PIL import Image

here = os.path.dirname(os.path.abspath(__file__))
data = (np.arange(3 * 3072, dtype=np.int64) * 7 % 251).astype(np.uint8).reshape(3, 3072)
labels = [3, 0, 9]


def write(name, content):
    with open(os.path.join(here, name), "wb") as file:
        file.write(content)


batch = {b"batch_label": b"testing", b"labels": labels, b"data": data, b"filenames": [b"a", b"b", b"c"]}
for protocol in (2, 3, 4, 5):
    write(f"cifar10.protocol{protocol}.pickle", pickle.dumps(batch, protocol))

short = lambda text: b"U" + bytes([len(text)]) + text
python2 = b"\x80\x02}q\x01(" + short(b"batch_label") + b"q\x02" + short(b"training batch 1 of 5") + b"q\x03"
python2 += short(b"labels") + b"q\x04]q\x05(" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
python2 += short(b"data") + b"q\x06cnumpy.core.multiarray\n_reconstruct\nq\x07cnumpy\nndarray\nq\x08K\x00\x85q\x09"
python2 += short(b"b") + b"q\x0a\x87q\x0bRq\x0c(K\x01K\x03M\x00\x0c\x86q\x0dcnumpy\ndtype\nq\x0e"
python2 += short(b"u1") + b"q\x0fK\x00K\x01\x87q\x10Rq\x11(K\x03" + short(b"|") + b"q\x12NNN"
python2 += b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T" + struct.pack("<i", data.size) + data.tobytes() + b"tb"
python2 += short(b"filenames") + b"]q\x13(" + b"".join(short(name) for name in (b"a", b"b", b"c")) + b"eu."
read = pickle.loads(python2, encoding="bytes")
assert (read[b"data"] == data).all() and read[b"labels"] == labels
write("cifar10.python2.pickle", python2)

fine = {b"fine_labels": np.array([99, 0, 50]), b"coarse_labels": [19, 0, 7], b"data": data}
write("cifar100.protocol2.pickle", pickle.dumps(fine, 2))
names = "airplane automobile bird cat deer dog frog horse ship lorry".split()
write("meta.pickle", pickle.dumps({"num_cases_per_batch": 10000, "label_names": names, "num_vis": 3072}, 2))


class Malicious:
    def __reduce__(self):
        return os.system, ("echo this must never run",)


write("malicious.pickle", pickle.dumps({b"data": Malicious()}, 2))

cmyk = Image.new("CMYK", (16, 8), (0, 0, 0, 255))
cmyk.paste((255, 0, 0, 0), (0, 0, 8, 8))
cmyk.save(os.path.join(here, "cmyk.jpg"), quality=95)

turned = Image.new("RGB", (32, 16), "white")
turned.paste("black", (0, 0, 16, 16))
exif = Image.Exif()
exif[0x0112] = 6
turned.save(os.path.join(here, "turned.jpg"), exif=exif, quality=95)
