package neighbour

import (
	"fmt"

	"github.com/pxe-pilot/pxe-pilot"
)

// A Reason is why nobody can tell which machine is at the other end of a
// connection.
type Reason string

// The reasons.
const (
	Itself    Reason = "itself"     // this machine
	Routed    Reason = "routed"     // through a router
	Forwarded Reason = "forwarded"  // from an address on-link, but through a router: NAT
	Gateway   Reason = "gateway"    // from this machine's router
	Contained Reason = "contained"  // this program is in a container with a network of its own
	Crossed   Reason = "crossed"    // answers leave by another interface, or not at all
	NoMACs    Reason = "no MACs"    // the interface knows no MAC addresses
	Silent    Reason = "silent"     // nobody answers for the address
	Contested Reason = "contested"  // two machines have the address
	NoNetwork Reason = "no network" // it is no TCP connection
)

// An AnonymousError says why nobody can tell which machine asked. Behind it is a
// pxepilot.Error of the same sentence, which tells what to do as well.
type AnonymousError struct {
	Reason Reason
	err    *pxepilot.Error
}

func (e *AnonymousError) Error() string { return e.err.Error() }

func (e *AnonymousError) Unwrap() error { return e.err }

// byName is what helps always: then nobody needs to be told by an address.
const byName = "name the host in the URL (?host=NAME)"

// refuse makes an AnonymousError of what was seen and what to do.
func refuse(why Reason, remedy, format string, args ...any) *AnonymousError {
	code := pxepilot.Forbidden
	if why == Silent {
		code = pxepilot.Unavailable
	}
	return &AnonymousError{why, pxepilot.Errorf(code, "%s, so that nobody can tell which machine asked; %s", fmt.Sprintf(format, args...), remedy)}
}
