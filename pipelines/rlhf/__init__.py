"""SFT, reward-model and PPO datasets by the rules of InstructGPT (Ouyang et al. 2022)."""
