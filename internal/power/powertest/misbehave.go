package powertest

import (
	"context"
	"errors"
	"regexp"
	"testing"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
)

// testSilent wants a BMC that says nothing to cost what the caller allows, and
// giving up to work at any moment.
func testSilent(t *testing.T, f Fixture) {
	f.each(t, Silent, func(what string, m Machine, _ pxepilot.PowerAction, call func(context.Context) error) {
		began := time.Now()
		if err := call(within(t, short)); err == nil {
			t.Errorf("%s: no error from a BMC that never answers", what)
		}
		if took := time.Since(began); took > short+slack {
			t.Errorf("%s took %s, but the caller's deadline was %s", what, took, short)
		}

		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		time.AfterFunc(short/3, cancel)
		began = time.Now()
		if err := call(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("%s, cancelled meanwhile: %v; want an error that wraps context.Canceled", what, err)
		}
		if took := time.Since(began); took > short/3+slack {
			t.Errorf("%s took %s to notice that the caller gave up after %s", what, took, short/3)
		}

		began = time.Now()
		_ = m.Controller.Close()
		if took := time.Since(began); took > slack {
			t.Errorf("Close took %s", took)
		}
	})
}

// credentials is what an error about them speaks of.
var credentials = regexp.MustCompile(`(?i)password|user|credential`)

func testRefuses(t *testing.T, f Fixture) {
	f.each(t, Refuses, func(what string, m Machine, a pxepilot.PowerAction, call func(context.Context) error) {
		m.press(a != pxepilot.ActionOn)
		switch err := call(within(t, patience)); {
		case err == nil:
			t.Errorf("%s: no error in front of a BMC that knows another password", what)
		case !credentials.MatchString(err.Error()):
			t.Errorf("%s: the message speaks neither of user nor of password: %v", what, err)
		}
		wantActions(t, m)
		if m.NextBoot != nil {
			if d, _ := m.NextBoot(); d != "" {
				t.Errorf("%s: the BMC would boot %q, though it let nobody in", what, d)
			}
		}
	})
}

// testIdle wants a BMC that says yes and does nothing to be believed: reading
// back is the use case's, which then sees the truth here.
func testIdle(t *testing.T, f Fixture) {
	f.each(t, Idle, func(what string, m Machine, a pxepilot.PowerAction, call func(context.Context) error) {
		if a == "" {
			return
		}
		want := pxepilot.PowerOn
		if a == pxepilot.ActionOn {
			want = pxepilot.PowerOff
		}
		m.press(want == pxepilot.PowerOn)
		if err := call(within(t, patience)); err != nil {
			t.Errorf("%s: %v; want what the BMC said", what, err)
		}
		wantActions(t, m)
		if !f.State {
			return
		}
		if got, err := m.Controller.State(within(t, patience)); err != nil || got != want {
			t.Errorf("State after %s = %q, %v; the machine is still %s", what, got, err, want)
		}
	})
}

// testMute wants an action that got no answer to be an error, and not to be
// tried again: the first try may have done it.
func testMute(t *testing.T, f Fixture) {
	f.each(t, Mute, func(what string, m Machine, a pxepilot.PowerAction, call func(context.Context) error) {
		if a == "" {
			return
		}
		if a != pxepilot.ActionOn {
			m.press(true)
		}
		// Long enough for a second try to be made, if one were.
		if err := call(within(t, slack)); err == nil {
			t.Errorf("%s: no error, though the BMC did not answer", what)
		}
		_ = m.Controller.Close()
		wantActions(t, m, a)
	})
}

func testNonsense(t *testing.T, f Fixture) {
	f.each(t, Nonsense, func(what string, m Machine, _ pxepilot.PowerAction, call func(context.Context) error) {
		m.press(true)
		// A driver that reads no answer to an action (a command, a packet)
		// cannot notice; a state must not be made of nonsense.
		if err := call(within(t, short)); err == nil && what == "State" {
			t.Errorf("%s: no error from a BMC that answers nonsense", what)
		}
	})
}
