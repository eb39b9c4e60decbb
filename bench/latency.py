#!/usr/bin/env python3
"""Times generation and prompts by sleb latency against transformers and, where it is installed, llama-cpp-python.

usage: bench/latency.py [MODEL_DIR] [--gguf FILE] [--rounds N] [--threads N] [--new-tokens N] [--cases 1,64,prompt]

float32, the same random prompt ids' length everywhere, greedy, exactly so many new tokens; each program in turn, round by
round. llama.cpp gets the GGUF at the type it holds (--gguf; pip install llama-cpp-python builds it).
Wanted against transformers: 2 times its tokens/s at batch 1, 1.5 times at batch 64, 0.97 for a prompt; for a model pruned
by a fifth, 0.95 of blocks / kept in the block part of a prompt.
"""
import argparse
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


def llama_cpp(args: argparse.Namespace) -> None:
    """The same through llama.cpp; a batch above 1 is not in its Python interface's reach."""
    import llama_cpp

    model = llama_cpp.Llama(str(args.gguf), n_ctx=args.prompt_tokens + args.new_tokens + 64, n_batch=512,
                            n_threads=args.threads, n_threads_batch=args.threads, verbose=False)
    print("ready", flush=True)
    for line in sys.stdin:
        _, prompt, new = shape_of(line.strip(), args)
        ids = [1 + i * 7919 % (model.n_vocab() - 1) for i in range(prompt)]
        start = time.perf_counter()
        model.reset()
        model.eval(ids)
        for _ in range(new):
            model.eval([model.sample(temp=0.0)])
        print(time.perf_counter() - start, flush=True)


class Peer:
    def __init__(self, role: str):
        self.process = subprocess.Popen([sys.executable, __file__, *sys.argv[1:], "--as", role], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
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
                   "--repeats", 1, "--dtype", "float32", "--device", "cpu", "--threads", args.threads, "--json", result,
                   *options]
        subprocess.run([*map(str, command)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return json.loads(result.read_text())["results"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", type=pathlib.Path, default=ROOT / "build/test-models/smollm2")
    parser.add_argument("--gguf", type=pathlib.Path, help="the same model for llama.cpp")
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

    transformers, other = Peer("transformers"), Peer("llama.cpp") if args.gguf else None
    if not transformers.there or other and not other.there:
        sys.exit("transformers or llama-cpp-python does not start")
    print(f"{args.threads} threads, float32; tokens/s\n")
    print("| case | round | transformers | sleb | ratio | llama.cpp | ratio | pruned: blocks' speed-up of the ideal |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |", flush=True)
    summary = []
    for case in args.cases.split(","):
        batch, prompt, new = shape_of(case, args)
        tokens, ratios, shares = batch * (new or prompt), [], []
        for peer in (transformers, other if case != "64" else None):
            if peer and new:
                peer.seconds(case)  # warm-up
        for number in range(1, args.rounds + 1):
            theirs = transformers.seconds(case)
            dense, pruned = sleb(args.model, case, args)
            cpp = other.seconds(case) if other and batch == 1 else None
            own = dense["mean_ms"] / 1e3
            ratios.append(theirs / own)
            shares.append(pruned["block_speed_up"] / pruned["ideal_speed_up"])
            print(f"| {case} | {number} | {tokens / theirs:.1f} | {tokens / own:.1f} | {ratios[-1]:.2f} "
                  f"| {f'{tokens / cpp:.1f} | {cpp / own:.2f}' if cpp else '- | -'} | {shares[-1]:.3f} |", flush=True)
        summary.append(f"{case}: {statistics.median(ratios):.2f} of transformers' tokens/s (at least {WANTED.get(case, 1)} "
                       f"wanted); pruned by a fifth, the blocks reach {statistics.median(shares):.3f} of blocks / kept")
    print("\nmedians\n" + "\n".join(summary))


if __name__ == "__main__":
    main()
