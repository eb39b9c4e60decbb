"""llama_cpp_logits.py MODEL.gguf IDS.npy OUT.npy: the logits [tokens, vocabulary] that llama.cpp computes. A process of
its own: what llama.cpp can't do ends it."""
import sys

import llama_cpp
import numpy as np

model_path, ids_path, out_path = sys.argv[1:]
ids = np.load(ids_path).tolist()
model = llama_cpp.Llama(model_path, n_ctx=len(ids) + 8, n_batch=len(ids), n_ubatch=len(ids), n_threads=1,
                        n_threads_batch=1, type_k=llama_cpp.GGML_TYPE_F32, type_v=llama_cpp.GGML_TYPE_F32, verbose=False,
                        logits_all=True)
model.eval(ids)
np.save(out_path, np.array(model.scores[:len(ids)], dtype=np.float32))
