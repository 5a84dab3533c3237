package powertest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/pxe-pilot/pxe-pilot"
)

// ideal is a machine and its driver in one, as the suite wants them.
type ideal struct {
	behaviour Behaviour
	able      bool // it can do everything; otherwise switch on only

	mu      sync.Mutex
	on      bool
	actions []pxepilot.PowerAction
	device  pxepilot.BootDevice
	fw      pxepilot.Firmware
}

const where = "192.0.2.5"

func fail(err error, what string) error {
	return pxepilot.Errorf(pxepilot.Conflict, "host %s: BMC %s: %s", Host, where, what).Because(err)
}

// ask is what every call has in common; act happens under the lock.
func (i *ideal) ask(ctx context.Context, supported bool, act func()) error {
	switch {
	case !supported:
		return fail(errors.ErrUnsupported, "has no way to do that")
	case ctx.Err() != nil:
		return fail(ctx.Err(), "was not asked, the caller gave up")
	case i.behaviour == Refuses:
		return fail(nil, "refuses the password")
	case i.behaviour == Nonsense:
		return fail(nil, "answers nonsense")
	}
	if i.behaviour != Silent && i.behaviour != Idle {
		i.mu.Lock()
		act()
		i.mu.Unlock()
	}
	if i.behaviour == Silent || i.behaviour == Mute {
		<-ctx.Done()
		return fail(ctx.Err(), "did not answer")
	}
	return nil
}

func (i *ideal) State(ctx context.Context) (pxepilot.PowerState, error) {
	if err := i.ask(ctx, i.able, func() {}); err != nil {
		return pxepilot.PowerUnknown, err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.on {
		return pxepilot.PowerOn, nil
	}
	return pxepilot.PowerOff, nil
}

func (i *ideal) Do(ctx context.Context, a pxepilot.PowerAction) error {
	known := a == pxepilot.ActionOn || i.able && strings.Contains("off soft-off cycle reset", string(a)) && a != ""
	return i.ask(ctx, known, func() {
		i.on = a != pxepilot.ActionOff && a != pxepilot.ActionSoftOff
		i.actions = append(i.actions, a)
	})
}

func (i *ideal) BootNext(ctx context.Context, d pxepilot.BootDevice, fw pxepilot.Firmware) error {
	known := d == pxepilot.BootPXE || d == pxepilot.BootDisk || d == pxepilot.BootSetup
	return i.ask(ctx, i.able && known, func() { i.device, i.fw = d, fw })
}

func (i *ideal) Close() error { return nil }

func fixture(able bool) Fixture {
	f := Fixture{
		New: func(_ *testing.T, b Behaviour) Machine {
			i := &ideal{behaviour: b, able: able}
			locked := func(do func()) {
				i.mu.Lock()
				defer i.mu.Unlock()
				do()
			}
			return Machine{
				Controller: i,
				BMC:        where,
				IsOn:       func() (on bool) { locked(func() { on = i.on }); return },
				Press:      func(on bool) { locked(func() { i.on = on }) },
				Forget:     func() {},
				Actions: func() (a []pxepilot.PowerAction) {
					locked(func() { a = append(a, i.actions...) })
					return
				},
				NextBoot: func() (d pxepilot.BootDevice, fw pxepilot.Firmware) {
					locked(func() { d, fw = i.device, i.fw })
					return
				},
			}
		},
		Actions:    []pxepilot.PowerAction{pxepilot.ActionOn},
		Behaviours: []Behaviour{Silent, Refuses, Idle, Mute, Nonsense},
	}
	if able {
		f.State, f.Actions, f.Devices, f.Firmware = true, everyAction, everyDevice, true
	}
	return f
}

// The suite asks nothing that cannot be had.
func TestConformance(t *testing.T) {
	t.Run("able", func(t *testing.T) { Conformance(t, fixture(true)) })
	t.Run("on-only", func(t *testing.T) { Conformance(t, fixture(false)) })
}

// The suite sees what is wrong with an error.
func TestProblems(t *testing.T) {
	good := fail(errors.New("EOF"), "hung up")
	type leaky struct{ error }
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"good", good, ""},
		{"no code", errors.New("host h2: BMC 192.0.2.5: x"), `has the code "internal"`},
		{"two lines", fail(nil, "a\nb"), "not one clear line"},
		{"no host", pxepilot.Errorf(pxepilot.Conflict, "BMC 192.0.2.5: x"), `does not name "h2"`},
		{"no BMC", pxepilot.Errorf(pxepilot.Conflict, "host h2: x"), `does not name "192.0.2.5"`},
		{"secret", fail(nil, "refuses "+Password), "shows the password as %v"},
		{"secret in the cause", fail(errors.New("refused "+WrongPassword), "refuses"), "shows the password as %v"},
		{"secret below a join", fail(errors.Join(good, leaky{errors.New(Password)}), "x"), "shows the password as %v"},
		{"secret in a field", fail(&hiding{Password}, "x"), "shows the password as %+v"},
	} {
		got := strings.Join(problems(tt.err, where), "; ")
		if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
			t.Errorf("%s: problems = %q, want %q", tt.name, got, tt.want)
		}
	}
}

// hiding shows its secret to %+v only.
type hiding struct{ secret string }

func (h *hiding) Error() string { return "nothing to see" }

func (h *hiding) Format(s fmt.State, verb rune) {
	if s.Flag('+') {
		_, _ = fmt.Fprint(s, h.secret)
		return
	}
	_, _ = fmt.Fprint(s, h.Error())
}
