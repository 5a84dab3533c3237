// Package power sees and drives the power of machines. A driver (ipmi, redfish,
// command, wol) speaks one protocol to one machine and knows nothing of limits,
// deadlines, retries or caches: those wrap the same interface here. One
// conformance suite (powertest) says what every driver must do.
package power

import (
	"context"

	"github.com/pxe-pilot/pxe-pilot"
)

// A Controller drives one machine. Errors are pxepilot.Errors that name the BMC,
// say what it did and what to do; they never carry a secret. A method that the
// driver has no way for returns an error of code pxepilot.Conflict that wraps
// errors.ErrUnsupported.
type Controller interface {
	// State asks whether the machine is on.
	State(context.Context) (pxepilot.PowerState, error)
	// Do has an action begun. That the BMC accepted it is all that is known
	// then; it is never sent a second time, whatever became of the answer.
	Do(context.Context, pxepilot.PowerAction) error
	// BootNext sets what the machine boots from the next time, once. An empty
	// firmware leaves the choice between BIOS and UEFI to the BMC.
	BootNext(context.Context, pxepilot.BootDevice, pxepilot.Firmware) error
	// Close ends the session with the BMC, if one is kept.
	Close() error
}
