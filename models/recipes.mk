# What `make demo-runs` trains on the simulated log data/demo: for each run, the model and the options of
# `msviz train`. One thread, so that the same seed gives the same weights on any machine of the same kind.
COMMON := --data data/demo --device cpu --seed 0 --set threads=1 --set batch_size=1024
# Widths below the papers': the shelf stays small, and the demo has a hundredth of the papers' rows.
OPTMSM := optmsm --epochs 4 --set width=8 --set hidden=128,64,32
SAME := same --epochs 4 --set width=32 --set item_width=16 --set main_net=64,32,16 --set bias_net=32,16,8

RECIPE.demo-autoint := autoint --epochs 4 --set dropout=0.1
RECIPE.demo-optmsm := $(OPTMSM)
RECIPE.demo-optmsm-unconstrained := $(OPTMSM) --set constraint=false
RECIPE.demo-sainet := sainet --epochs 4 --set hidden=128,64 --set initial_deviation=0.2
RECIPE.demo-hierrec := hierrec --epochs 4 --set width=8 --set bottleneck=8
RECIPE.demo-same-2 := $(SAME) --set experts=2
RECIPE.demo-same-3 := $(SAME) --set experts=3
RECIPE.demo-same-4 := $(SAME) --set experts=4
RECIPE.demo-same-5 := $(SAME) --set experts=5
RECIPE.demo-same-noln := $(SAME) --set experts=2 --set norm=false
RECIPE.demo-satrans := satrans --epochs 4 --set initial_deviation=0.3

# The app opens with the newest run: the last one here.
DEMO_RUNS := demo-autoint demo-optmsm demo-optmsm-unconstrained demo-sainet demo-hierrec demo-same-2 demo-same-3 \
	demo-same-4 demo-same-5 demo-same-noln demo-satrans
# Runs that show attention between fields.
ATTENTIVE_RUNS := demo-autoint demo-satrans
