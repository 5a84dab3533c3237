package pilot

import (
	"slices"

	"github.com/pxe-pilot/pxe-pilot"
)

// An Order is what somebody wants done to the power of a machine.
type Order struct {
	Do   Verb
	Next pxepilot.BootDevice // what it boots from the next time, once; empty for as always

	proven   bool // have the machine said to be on, also where acceptance would do
	tolerant bool // go on where nothing can set what it boots next
}

// A Verb is what an order says, from which the state of the machine makes an
// action.
type Verb string

// The verbs.
const (
	TurnOn  Verb = "on"
	TurnOff Verb = "off"      // at once
	SoftOff Verb = "soft-off" // ask the operating system to shut down
	Reboot  Verb = "reboot"   // reset what is on, turn on what is off
	Cycle   Verb = "cycle"    // take the power of what is on for a moment, turn on what is off
)

// in is what a verb comes to for a machine in a state: the action, or none where
// it is so already, and the state to be read back, or none where it is the
// acceptance that counts. It is not ok where nobody knows what to do.
func (v Verb) in(state pxepilot.PowerState) (action pxepilot.PowerAction, want pxepilot.PowerState, ok bool) {
	on, off := state == pxepilot.PowerOn, state == pxepilot.PowerOff
	switch {
	case v == TurnOn && on, (v == TurnOff || v == SoftOff) && off:
		return "", "", true
	case v == TurnOff:
		return pxepilot.ActionOff, pxepilot.PowerOff, true
	case v == SoftOff:
		return pxepilot.ActionSoftOff, "", true
	case v == Reboot && on:
		return pxepilot.ActionReset, "", true
	case v == Cycle && on:
		return pxepilot.ActionCycle, "", true // of what is off it would do nothing (IPMI 2.0 section 28.3)
	case v == TurnOn, off:
		return pxepilot.ActionOn, pxepilot.PowerOn, true
	}
	return "", "", false
}

// canBeBlind says whether a verb means the same whatever the state, so that it
// can be done where none can be asked, as by Wake-on-LAN.
func (v Verb) canBeBlind() bool { return v == TurnOn || v == TurnOff || v == SoftOff }

func (o Order) check() error {
	devices := []pxepilot.BootDevice{pxepilot.BootPXE, pxepilot.BootDisk, pxepilot.BootSetup}
	switch {
	case o.Next == "":
		return nil
	case !slices.Contains(devices, o.Next):
		return pxepilot.Errorf(pxepilot.Invalid, "what to boot from next is %s; want pxe, disk or bios", pxepilot.Quote(string(o.Next)))
	case o.Do == TurnOff || o.Do == SoftOff:
		return pxepilot.Errorf(pxepilot.Invalid, "what to boot from next cannot be told with a machine to be turned off; tell it when it is turned on")
	}
	return nil
}
