// Package powertest says what every driver of package power does, whatever it
// speaks: one suite, Conformance, that a driver's test gives a Fixture. The
// Fixture makes machines whose true state is seen from outside, never through
// the driver, and BMCs that misbehave where the protocol allows it. What a
// driver has no way for (Wake-on-LAN cannot ask for a state) it declares by
// leaving it out, and the suite then wants it to say so.
package powertest

import (
	"context"
	"testing"

	"github.com/pxe-pilot/pxe-pilot"
)

// What every fixture configures its drivers and BMCs with, so that the suite
// knows what an error has to name and what it must never show.
const (
	Host          = "h2"              // the host's name
	Password      = "hush-not-a-word" // at most 16 bytes, for IPMI
	WrongPassword = "hush-it-is-not"  // what a driver has in front of a BMC that Refuses
)

// A Controller is power.Controller, said again because package power imports
// the drivers that are tested here.
type Controller interface {
	State(context.Context) (pxepilot.PowerState, error)
	Do(context.Context, pxepilot.PowerAction) error
	BootNext(context.Context, pxepilot.BootDevice, pxepilot.Firmware) error
	Close() error
}

// A Behaviour is how a BMC treats what it is asked.
type Behaviour string

// The behaviours.
const (
	Well     Behaviour = "does what it is told"
	Silent   Behaviour = "never answers"
	Refuses  Behaviour = "knows another password"
	Idle     Behaviour = "says that it did, and does nothing"
	Mute     Behaviour = "acts on the machine without answering"
	Nonsense Behaviour = "answers what nobody can read"
)

// A Machine is one machine, its BMC and the driver in front of it. A function
// is nil where there is nothing that it could tell or do.
type Machine struct {
	Controller Controller
	BMC        string // what errors call the BMC: its address, or the command

	// IsOn says whether the machine truly runs.
	IsOn func() bool
	// Press switches the machine by its own button, past the BMC.
	Press func(on bool)
	// Actions are those that reached the machine since it was made, in order;
	// those that a BMC that is Idle did not act on are none.
	Actions func() []pxepilot.PowerAction
	// NextBoot is what the BMC would boot from the next time, and how; empty
	// where nothing was set.
	NextBoot func() (pxepilot.BootDevice, pxepilot.Firmware)
	// Forget makes the BMC lose all sessions, as a restart of it does.
	Forget func()
}

// A Fixture makes machines for one driver and says what the driver can do.
type Fixture struct {
	// New makes a machine that is off, with a BMC that behaves like that. What
	// it starts ends with the test, by t.Cleanup, without leaving a goroutine.
	// It does not close the controller: the suite does.
	New func(t *testing.T, b Behaviour) Machine

	State      bool                   // it can tell whether the machine is on
	Actions    []pxepilot.PowerAction // it can have these begun
	Devices    []pxepilot.BootDevice  // it can have these booted next
	Firmware   bool                   // it tells the BMC which firmware is to boot
	Behaviours []Behaviour            // which New can make, besides Well
}

// Conformance runs the suite. Nothing in it runs in parallel, so that a
// goroutine that is left behind has one owner.
func Conformance(t *testing.T, f Fixture) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, Fixture)
	}{
		{"state", testState},
		{"action", testActions},
		{"boot-next", testBootNext},
		{"unsupported", testUnsupported},
		{"close", testClose},
		{"concurrent", testConcurrent},
		{"cancelled", testCancelled},
		{"session-lost", testForget},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, f) })
	}
	for _, b := range f.Behaviours {
		run, ok := behaviours[b]
		if !ok {
			t.Fatalf("the suite knows no BMC that %s", b)
		}
		t.Run("bmc-"+name(b), func(t *testing.T) { run(t, f) })
	}
}

// behaviours are the tests of BMCs that do not behave well.
var behaviours = map[Behaviour]func(*testing.T, Fixture){
	Silent:   testSilent,
	Refuses:  testRefuses,
	Idle:     testIdle,
	Mute:     testMute,
	Nonsense: testNonsense,
}

// name is what a behaviour is called in the name of a test.
func name(b Behaviour) string {
	return map[Behaviour]string{
		Silent: "silent", Refuses: "refuses", Idle: "idle", Mute: "mute", Nonsense: "nonsense",
	}[b]
}

// everyAction and everyDevice are what a driver does or says that it cannot.
var (
	everyAction = []pxepilot.PowerAction{
		pxepilot.ActionOn, pxepilot.ActionOff, pxepilot.ActionSoftOff, pxepilot.ActionCycle, pxepilot.ActionReset,
	}
	everyDevice   = []pxepilot.BootDevice{pxepilot.BootPXE, pxepilot.BootDisk, pxepilot.BootSetup}
	everyFirmware = []pxepilot.Firmware{pxepilot.BIOS, pxepilot.UEFI, ""}
)

// press presses the button of a machine that has one.
func (m Machine) press(on bool) {
	if m.Press != nil {
		m.Press(on)
	}
}
