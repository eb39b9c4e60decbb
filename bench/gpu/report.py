"""What the stages share: where they run, and the rows that they leave."""
import json
import os
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("SLEB_BUILD_DIR", ROOT / "build/release")).resolve()
OUT = pathlib.Path(os.environ.get("OUT", ROOT / "build/gpu-check")).resolve()
DEVICE = os.environ.get("DEVICE", "cuda")
TINY = os.environ.get("SIZE", "full") == "tiny"


def row(what: str, value: float | str, unit: str = "", goal: str = "", met: bool | None = None) -> None:
    """A finished row, printed at once and kept."""
    shown = f"{value:.4g}" if isinstance(value, float) else str(value)
    record = {"stage": os.environ["STAGE"], "what": what, "value": shown, "unit": unit, "goal": goal,
              "met": "" if met is None else "yes" if met else "no"}
    with open(OUT / "rows.jsonl", "a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")
    print(f"  {what}: {shown} {unit}" + (f" (goal {goal}: {record['met']})" if goal else ""), flush=True)


def table() -> str:
    records = [json.loads(line) for line in (OUT / "rows.jsonl").read_text().splitlines()]
    lines = ["| stage | what | value | unit | goal | met |", "| :--- | :--- | ---: | :--- | :--- | :--- |"]
    return "\n".join(lines + ["| " + " | ".join(record.values()) + " |" for record in records])


def save_ceilings(**values: float) -> None:
    path = OUT / "ceilings.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**known, **values}))


def ceiling(name: str) -> float | None:
    path = OUT / "ceilings.json"
    return json.loads(path.read_text()).get(name) if path.exists() else None
