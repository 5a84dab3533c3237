package pilot

import (
	"context"

	"github.com/pxe-pilot/pxe-pilot"
)

// Power is the machines' power: limits, deadlines and one operation at a time
// per BMC are its business, the rules are ours.
type Power interface {
	// Known tells what is known of all machines, at once, and has what is old
	// asked anew behind it. Where nothing is known yet it waits a second at most.
	Known(context.Context) *pxepilot.PowerView
	// State asks a machine's BMC now.
	State(context.Context, *pxepilot.Host) (pxepilot.PowerState, error)
	// Do has an action begun.
	Do(context.Context, *pxepilot.Host, pxepilot.PowerAction) error
	// BootNext sets what the machine boots from the next time, once.
	BootNext(context.Context, *pxepilot.Host, pxepilot.BootDevice) error
}
