"""Small data sets in the schemas of the real ones, with what is rare there: blanks at both ends, brackets, several
blanks of "_" in a sentence, other scripts, texts that look like special tokens."""
import json
import pathlib
import random

WORDS = """the a of river stone light "quick" (bright) [title] [header] cold; warm, water's ... naïve Ελλάδα 東京 мир \u00b0 N
 42 3 @-@ 5 @,@ 000 's don't = == | * ſ ﬁ İstanbul 😀 e\u0301 isn't under_score""".split()
BLANKS = [" ", " ", " ", "  ", "\u00a0", "\n"]


class Writer:
    def __init__(self, seed: int):
        self.random = random.Random(seed)

    def text(self, least: int = 3, most: int = 12, blanks=(" ",)) -> str:
        words = self.random.choices(WORDS, k=self.random.randint(least, most))
        return "".join(word + self.random.choice(blanks) for word in words).strip(" ") or "x"

    def ends(self, text: str) -> str:
        """Sometimes with blanks at an end."""
        return self.random.choice(["", "", "", " ", "  "]) + text + self.random.choice(["", "", "", " ", "\n ", "\u3000"])

    def letters(self) -> list[str]:
        return self.random.choice([["A", "B", "C", "D"], ["1", "2", "3", "4"], ["A", "B", "C"]])

    def piqa(self, _):
        return {"goal": self.ends(self.text()), "sol1": self.text(), "sol2": self.ends(self.text()),
                "label": self.random.randint(0, 1)}

    def winogrande(self, _):
        return {"sentence": f"{self.text()} _ {self.text()}" + self.random.choice(["", ".", "_", " _ "]),
                "option1": self.text(1, 2), "option2": self.text(1, 3), "answer": self.random.choice("12")}

    def hellaswag(self, number):
        return {"ind": number, "activity_label": self.text(1, 3), "ctx_a": self.ends(self.text()),
                "ctx_b": self.random.choice(["", self.text(), "The MEN [step] go"]),
                "ctx": "", "endings": [self.ends("z" + self.text(blanks=BLANKS)) for _ in range(4)],
                "label": str(self.random.randint(0, 3)), "split": "val"}

    def arc_easy(self, number):
        letters = self.letters()
        return {"id": str(number), "question": self.ends(self.text()),
                "choices": {"text": [self.text(1, 6) for _ in letters], "label": letters},
                "answerKey": self.random.choice(letters)}

    arc_challenge = arc_easy

    def lambada_openai(self, number):
        if number == 1:
            return {"text": "word"}
        return {"text": self.ends(self.text(4, 30, BLANKS)).rstrip(" ")}

    def boolq(self, number):
        return {"question": self.text(), "passage": self.ends(self.text(10, 40)), "idx": number,
                "label": self.random.randint(0, 1)}

    def openbookqa(self, number):
        letters = ["A", "B", "C", "D"]
        return {"id": str(number), "question_stem": "The" + self.ends(self.text()),
                "choices": {"text": [self.text(1, 6) for _ in letters], "label": letters},
                "answerKey": self.random.choice([" ", ""]) + self.random.choice(letters)}

    def sciq(self, _):
        return {"question": self.text(), "distractor1": self.text(1, 4), "distractor2": self.text(1, 4),
                "distractor3": self.text(1, 4), "correct_answer": self.text(1, 4),
                "support": self.random.choice(["", self.ends(self.text(10, 60))])}

    def wikitext(self, _):
        lines = [" = Title = ", "", *(" " + self.text(5, 40, [" ", " ", " , ", " . ", " ( ", " ) ", ' " ', " 's "]) + " "
                                      for _ in range(self.random.randint(1, 8)))]
        return {"page": "\n".join(lines)}


TASKS = ["piqa", "winogrande", "hellaswag", "arc_easy", "arc_challenge", "lambada_openai", "boolq", "openbookqa", "sciq",
         "wikitext"]


def write(folder: pathlib.Path, count: int, split: str, seed: int = 0, tasks=TASKS) -> pathlib.Path:
    """`count` rows of each task under TASK.SPLIT.jsonl."""
    folder.mkdir(parents=True, exist_ok=True)
    for task in tasks:
        writer = Writer(seed + TASKS.index(task))
        rows = [getattr(writer, task)(number) for number in range(count)]
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / f"{task}.{split}.jsonl").write_text(text)
    return folder
