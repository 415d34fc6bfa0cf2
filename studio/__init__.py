"""What LangGraph Studio and the Agent Server load."""
