# nodeagent
