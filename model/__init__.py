"""The training stage: GPT, its data, pretraining, SFT, reward model, PPO; runs on a bare GPU image."""
