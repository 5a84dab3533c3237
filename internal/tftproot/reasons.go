package tftproot

func (e *explainer) reason(a *asking) {}
func (e *explainer) warn(a *asking)   {}
