package pxepilot

import (
	"maps"
	"slices"
	"time"
)

// An Arming says that what a host boots now is meant once: when its installer is
// done, or its time is over, the host is switched to another configuration.
type Arming struct {
	Host          string
	MACs          []MAC  // that the host had then; another machine under its name is not it
	Generation    uint64 // counts the armings of the site; never used again in the same journal
	After         uint64 // the generation that it goes on from, whose Then had a rule; 0 for none
	Entry         int64  // of the journal, that armed it; 0 while that is not written
	Configuration string // that it installs by
	Then          string // configuration that it is switched to
	DropUncovered bool   // the host's loaders that Then has no variant for may fall to their default
	OnTimeout     OnTimeout
	Within        time.Duration
	Armed         time.Time // wall clock
	Deadline      Moment
	Suspended     string    // why it waits for somebody, a sentence; empty when it does not
	Failure       *Failure  // of its installer; nil while none was told
	Finished      time.Time // when its installer said that it is done and the host could not be switched; else zero
}

// An Ended arming is the last one of its host, and how it ended: who says once more
// that an install is done has to be told that all is well.
type Ended struct {
	Arming
	How What
	At  time.Time
}

// OnTimeout is what becomes of an armed host when its time is over.
type OnTimeout string

// What becomes of it.
const (
	SwitchOnTimeout OnTimeout = "switch" // to Then
	KeepOnTimeout   OnTimeout = "keep"   // it stays where it is
)

// DefaultWithin is the time that an install has unless told otherwise, and the
// others are the least and the most that may be told.
const (
	DefaultWithin = 4 * time.Hour
	LeastWithin   = time.Second
	MostWithin    = 365 * 24 * time.Hour
)

// A Moment is told by two clocks: one that nobody can set, which counts from when
// the machine that serves was booted (clock_gettime(2), CLOCK_BOOTTIME), and the
// wall clock, which outlives a reboot.
type Moment struct {
	Boot  string        // the boot that Since counts from; two are never the same
	Since time.Duration // since that boot
	Wall  time.Time
}

// In is the moment so much later.
func (m Moment) In(d time.Duration) Moment {
	return Moment{Boot: m.Boot, Since: m.Since + d, Wall: m.Wall.Add(d)}
}

// Left is how much of the time of an arming is left, below zero where it is over.
// During one boot of the machine that serves nobody can change it by setting the
// clock. After a reboot the wall clock decides, by which no more is left than was
// given at first.
func (a *Arming) Left(now Moment) time.Duration {
	if a.Deadline.Boot == now.Boot {
		return a.Deadline.Since - now.Since
	}
	return min(a.Deadline.Wall.Sub(now.Wall), a.Within)
}

// Anchored is the arming as it is to be counted on from now, in this boot of the
// machine that serves.
func (a Arming) Anchored(now Moment) Arming {
	a.Deadline = now.In(a.Left(now))
	return a
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

// An ArmedView is what is armed at one moment. It is immutable, and the same
// pointer for as long as nothing of it changed and nobody set the clock.
type ArmedView struct {
	Armings map[string]Armed // by host
}

// Armed is an arming with the time by the wall clock at which it is over, as that
// clock stands now.
type Armed struct {
	*Arming
	Until time.Time
}

// Of returns the arming of a host; it has none where nothing is armed.
func (v *ArmedView) Of(host string) Armed {
	if v == nil {
		return Armed{}
	}
	return v.Armings[host]
}

// Hosts lists the hosts that are armed, sorted by name.
func (v *ArmedView) Hosts() []string {
	if v == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(v.Armings))
}
