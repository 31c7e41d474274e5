# What `make demo-runs` trains on the simulated log data/demo: for each run, the model and the options of
# `msviz train`. One thread, so that the same seed gives the same weights on any machine of the same kind.
# Chosen on the validation split: benchmarks/RESULTS.md says what was tried. Few rows want small batches, l2 and dropout;
# a learning rate that falls to 0 leaves no step to chance; patience lets it get there.
COMMON := --data data/demo --device cpu --set threads=1 --set batch_size=512 --set schedule=linear --set patience=8
# Widths below the papers': the shelf stays small, and the demo has a hundredth of the papers' rows.
OPTMSM := optmsm --epochs 8 --set width=8 --set hidden=128,64,32 --set initial_deviation=0.5 --set dropout=0.3 \
	--set l2=0.001 --set gate_rate=30
SAME := same --epochs 5 --set width=32 --set item_width=16 --set main_net=64,32,16 --set bias_net=32,16,8 \
	--set dropout=0.1 --set l2=0.001 --set learning_rate=0.002
SATRANS := satrans --epochs 8 --set initial_deviation=0.3 --set dropout=0.2 --set l2=0.001

RECIPE.demo-autoint := autoint --epochs 6 --set dropout=0.2 --set l2=0.0003 --set attention_rate=10
RECIPE.demo-optmsm := $(OPTMSM)
RECIPE.demo-optmsm-unconstrained := $(OPTMSM) --set constraint=false
RECIPE.demo-sainet := sainet --epochs 6 --set hidden=128,64 --set initial_deviation=0.3 --set dropout=0.2 \
	--set l2=0.0001 --set attention_rate=10
RECIPE.demo-hierrec := hierrec --epochs 8 --set width=8 --set bottleneck=8 --set initial_deviation=0.3 \
	--set dropout=0.3 --set l2=0.001
RECIPE.demo-same-1 := $(SAME) --set experts=1
RECIPE.demo-same-2 := $(SAME) --set experts=2
RECIPE.demo-same-3 := $(SAME) --set experts=3
RECIPE.demo-same-4 := $(SAME) --set experts=4
RECIPE.demo-same-5 := $(SAME) --set experts=5
RECIPE.demo-same-noln := $(SAME) --set experts=1 --set norm=false
RECIPE.demo-satrans-seed-1 := $(SATRANS) --seed 1
RECIPE.demo-satrans := $(SATRANS)

# The app opens with the newest run: the last one here.
DEMO_RUNS := demo-autoint demo-optmsm demo-optmsm-unconstrained demo-sainet demo-hierrec demo-same-1 demo-same-2 \
	demo-same-3 demo-same-4 demo-same-5 demo-same-noln demo-satrans-seed-1 demo-satrans
# Runs that show attention between fields.
ATTENTIVE_RUNS := demo-autoint demo-satrans
