package pilot

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pxe-pilot/pxe-pilot"
)

// newDrivenSite is a onceSite whose hosts have BMCs.
func newDrivenSite(t *testing.T, hosts ...string) (*onceSite, *fakePower) {
	t.Helper()
	s := newOnceSite(t, hosts...)
	power := &fakePower{machines: map[string]*fakeMachine{}}
	for _, h := range hosts {
		s.root.inv.ByName(h).IPMI = &pxepilot.IPMI{}
		power.machines[h] = &fakeMachine{state: on}
	}
	s.options.Power = power
	s.start()
	return s, power
}

// now deploys once and reboots.
func (s *onceSite) now(configuration string, o Once, hosts ...string) (*Outcome, error) {
	refs := rebooting(hosts...)
	for i := range refs {
		refs[i].Once = o
	}
	return s.Change(s.t.Context(), Change{Want: pxepilot.Deploy, Configuration: configuration, Hosts: refs, By: Actor{Name: "api"}})
}

func TestPutBack(t *testing.T) {
	const refusal = `host "a": its BMC refused`
	once := Once{Then: "local"}
	all := func(text string) func(*onceSite) {
		return func(s *onceSite) { s.root.all("a", text); s.look() }
	}
	for _, tt := range []struct {
		name   string
		before func(s *onceSite)
		deploy string
		once   Once
		boots  string
		armed  string
		says   string
	}{
		{"to what it booted", all("debian"), "ubuntu", once, "debian", "", `; it was put back to "debian"`},
		{"to what comes then", all("local"), "ubuntu", once, "local", "", `; it was put back to "local"`},
		{"to nothing", nil, "ubuntu", once, "none", "", `; it was put back to no configuration, as before`},
		{"from the same for good", all("ubuntu"), "ubuntu", once, "local", "", `; it was put back to "local"`},
		{"from what was once as well", func(s *onceSite) { s.arm("a") }, "debian", once, "local", "", `; it was put back to "local"`},
		{"from what led nowhere", all("nowhere"), "ubuntu", once, "local", "", `; it was put back to "local"`},
		{"kept", all("debian"), "ubuntu", Once{Then: "local", OnPowerError: KeepOnPowerError}, "ubuntu", "a ubuntu>local", ""},
		{"for good", all("debian"), "ubuntu", Once{}, "ubuntu", "", ""},
		{"by a rule", func(s *onceSite) {
			all("debian")(s)
			s.root.rules = map[string]pxepilot.Rule{"ubuntu": {Then: "local"}}
		}, "ubuntu", Once{}, "debian", "", `; it was put back to "debian"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, power := newDrivenSite(t, "a", "b")
			power.machines["a"].doFails = pxepilot.Errorf(pxepilot.Conflict, "%s", refusal)
			if tt.before != nil {
				tt.before(s)
			}
			out, err := s.now(tt.deploy, tt.once, "a", "b")
			if err != nil {
				t.Fatal(err)
			}
			if got := pxepilot.ErrorMessage(out.Hosts[0].Problem); got != refusal+tt.says {
				t.Errorf("%s", got)
			}
			s.boots("a " + tt.boots + ", b " + tt.deploy)
			want := strings.TrimPrefix(tt.armed, "")
			if (tt.once != Once{}) || s.root.rules != nil {
				want = strings.TrimPrefix(want+", b "+tt.deploy+">local", ", ")
			}
			s.armed(want)
			configuration := strings.ReplaceAll(tt.boots, "none", "")
			if r := out.Hosts[0]; r.Configuration != configuration || (r.Armed != nil) != (tt.armed != "") {
				t.Errorf("%+v", r)
			}
			if tt.says == "" {
				return
			}
			e := s.journal.entries[len(s.journal.entries)-1]
			if e.What != pxepilot.PutBack || e.Undoes != out.Entry || !e.Loud || e.Hosts[0].Ended == nil || e.Count != 1 {
				t.Errorf("%+v", e)
			}
		})
	}
}

// TestPutBackWhateverTheReason: the machine need not have been asked.
func TestPutBackWhateverTheReason(t *testing.T) {
	s, power := newDrivenSite(t, "a")
	s.must("local", "a")
	broken := errors.New("rsync: no route to host")
	pushes := 0
	site := func() *Site {
		x := s.root.site()
		x.AfterSwitch = func(context.Context) error { pushes++; return broken }
		return x
	}
	s.Pilot.site = site
	out, err := s.now("ubuntu", Once{Then: "local"}, "a")
	if err != nil {
		t.Fatal(err)
	}
	if got := pxepilot.ErrorMessage(out.Hosts[0].Problem); got != `host "a" was not rebooted, for deploy.after_switch failed; it was put back to "local"` || out.AfterSwitch == nil || pushes != 2 {
		t.Errorf("%s, %v, %d pushes", got, out.AfterSwitch, pushes)
	}
	s.boots("a local")
	s.armed("")
	if done := power.doneTo("a"); done != nil {
		t.Errorf("%q", done)
	}
}

// TestPutBackFails: what cannot be put back stays armed, and the answer says so.
func TestPutBackFails(t *testing.T) {
	s, power := newDrivenSite(t, "a")
	s.must("local", "a")
	power.machines["a"].doFails = pxepilot.Errorf(pxepilot.Conflict, "the BMC refused")
	power.before = func() {
		s.root.beforeStep = func(int) error { return errors.New("read-only file system") }
	}
	out, err := s.now("ubuntu", Once{Then: "local"}, "a")
	if err != nil {
		t.Fatal(err)
	}
	if got := pxepilot.ErrorMessage(out.Hosts[0].Problem); got != `the BMC refused; it could not be put back, and boots "ubuntu" once when it is turned on: read-only file system; nothing was switched` {
		t.Error(got)
	}
	s.armed("a ubuntu>local")
	s.root.beforeStep = nil
	s.clock.pass(5 * time.Hour)
	s.tick()
	s.boots("a local")
}

// TestPutBackComesLater: who was switched meanwhile stays where it is.
func TestPutBackComesLater(t *testing.T) {
	for _, by := range []string{"a deploy", "a hand", "its installer"} {
		s, power := newDrivenSite(t, "a")
		s.must("local", "a")
		power.machines["a"].doFails = pxepilot.Errorf(pxepilot.Conflict, "the BMC refused")
		first := true
		power.before = func() {
			if !first {
				return
			}
			first = false
			switch by {
			case "a deploy":
				s.arm("a")
			case "a hand":
				s.root.all("a", "debian")
			default:
				if err := s.done("a", 0); err != nil {
					t.Error(err)
				}
			}
		}
		if _, err := s.now("ubuntu", Once{Then: "local"}, "a"); err != nil {
			t.Fatal(err)
		}
		want := map[string][2]string{"a deploy": {"a ubuntu", "a ubuntu>local"}, "a hand": {"a debian", ""}, "its installer": {"a local", ""}}[by]
		s.boots(want[0])
		s.armed(want[1])
		if diff := cmp.Diff([]string{"next pxe", "reset"}, power.doneTo("a")); diff != "" {
			t.Error(diff)
		}
	}
}
