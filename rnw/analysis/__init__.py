"""The paper's study of networks: paths and sub-networks (section 3), depth against width."""
