"""Front matter of data sets' cards, with patterns of every kind; fuzz/seeds.py begins from them too."""
CARDS = [
    "configs:\n- config_name: a\n  data_files: '**/*.csv'\n",
    "configs:\n- config_name: a\n  data_dir: data\n- config_name: b\n  data_files:\n  - a.csv\n  - data/*\n",
    "configs:\n- config_name: a\n  data_files:\n  - split: train\n    path: ['*.csv', '*/a.*', 'data/**']\n  - split: x\n    path: .h/*\n",
    "configs:\n- config_name: a\n  data_files:\n  - split: train\n    path: '[a-t]*.csv'\n  - split: y\n    path: '__x__/*'\n",
]
