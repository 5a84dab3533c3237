package pxepilot

import "time"

// An Arming says that what a host boots now is meant once: when its installer is
// done, or its time is over, the host is switched to another configuration.
type Arming struct {
	Host          string
	MACs          []MAC  // that the host had then; another machine under its name is not it
	Generation    uint64 // counts the armings of the site; never used again
	Entry         int64  // of the journal, that armed it; 0 while that is not written
	Configuration string // that it installs by
	Then          string // configuration that it is switched to
	OnTimeout     OnTimeout
	Within        time.Duration
	Armed         time.Time // wall clock
	Deadline      Deadline
	Suspended     string   // why it waits for somebody, a sentence; empty when it does not
	Failure       *Failure // of its installer; nil while none was told
}

// OnTimeout is what becomes of an armed host when its time is over.
type OnTimeout string

// What becomes of it.
const (
	SwitchOnTimeout OnTimeout = "switch" // to Then
	KeepOnTimeout   OnTimeout = "keep"   // it stays where it is
)

// DefaultWithin is the time that an install has unless told otherwise.
const DefaultWithin = 4 * time.Hour

// A Deadline is a moment that setting the clock does not move. During one boot
// of the machine that serves, the time since that boot decides (clock_gettime(2),
// CLOCK_BOOTTIME); after a reboot, the wall clock, by which no more is left than
// was given at first.
type Deadline struct {
	Boot  string        // the boot id of the kernel that Since counts for
	Since time.Duration // since that boot
	Wall  time.Time
}

// A Failure is what a machine said about its install. The log that came with it
// is in the journal's entry.
type Failure struct {
	At     time.Time
	Reason string // one line
	Entry  int64  // of the journal, that tells of it; 0 while that is not written
}

// MaxFailureLog is how much of a log goes with a failure, in bytes.
const MaxFailureLog = 64 << 10

// A Rule says what deploys of a configuration are unless they say otherwise:
// one-shot, so that nobody forgets.
type Rule struct {
	Then   string
	Within time.Duration // zero for DefaultWithin
}
