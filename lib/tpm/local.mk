# The TPM, behind one header: the only folder that knows tss2.
