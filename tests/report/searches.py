"""What the results that reports are made of were searched by."""
SEARCHES = {"exact": ["--search", "exact"], "race": ["--search", "race", "--confidence", 0.6],
            "best": ["--search", "best"], "kl": ["--criterion", "kl"], "half": ["--units", "half"],
            "repaired": ["--repair", "--repair-dataset", "text.txt", "--repair-tokens", 2000]}
