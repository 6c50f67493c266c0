# Reads what `fedrelu export RUN --table -o run.csv` and `fedrelu export RUN --spectra -o spectra.npz` write.
import sys

import numpy as np
import pandas as pd

table = pd.read_csv(sys.argv[1], dtype={"layer": str})
whole = table[table.step.isna() & table.shard.isna() & table.layer.isna()]  # of the whole model, the average over shards
print(whole.pivot(index="round", columns="quantity", values="value").dropna(axis=1, how="all").to_string())
for name, values in np.load(sys.argv[2]).items() if len(sys.argv) > 2 else []:
    print(name, "largest singular values", values[:3], "of", len(values))
