package neighbour

import "github.com/pxe-pilot/pxe-pilot"

// A Reason is why nobody can tell which machine is at the other end of a
// connection.
type Reason string

// The reasons.
const (
	Itself    Reason = "itself"     // this machine
	Routed    Reason = "routed"     // answers go to a router
	Forwarded Reason = "forwarded"  // its packets passed a router, so that NAT may be at work
	Gateway   Reason = "gateway"    // a router of ours, which speaks for others
	Contained Reason = "contained"  // this program is in a container with a network of its own
	Crossed   Reason = "crossed"    // answers leave by another interface
	NoMACs    Reason = "no MACs"    // the interface knows no MAC addresses
	Silent    Reason = "silent"     // nobody answers for the address
	Contested Reason = "contested"  // two machines claim the address
	NoNetwork Reason = "no network" // it is no TCP connection
)

// An AnonymousError is the error of Who where the connection is such that nobody can
// tell. It is a pxepilot.Error, whose sentence says which it was, and what to do.
type AnonymousError struct {
	Reason Reason
	err    *pxepilot.Error
}

func (r *AnonymousError) Error() string { return r.err.Error() }

func (r *AnonymousError) Unwrap() error { return r.err }

// refuse makes an AnonymousError. Most are no failures, but what cannot be allowed; one
// that another try may mend is Unavailable.
func refuse(why Reason, format string, args ...any) *AnonymousError {
	code := pxepilot.Forbidden
	if why == Silent {
		code = pxepilot.Unavailable
	}
	return &AnonymousError{why, pxepilot.Errorf(code, format, args...)}
}
