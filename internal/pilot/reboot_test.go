package pilot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/pxe-pilot/pxe-pilot"
)

func rebooting(names ...string) []HostRef {
	refs := named(names...)
	for i := range refs {
		refs[i].Reboot = true
	}
	return refs
}

// rebooted tells in a word what became of each host's reboot.
func rebooted(o *Outcome) []string {
	var list []string
	for _, r := range o.Hosts {
		word := "NO"
		switch {
		case r.Rebooted && r.Problem != nil:
			word = "YES, but " + r.Problem.Error()
		case r.Rebooted:
			word = "YES"
		case r.Problem != nil:
			word = r.Problem.Error()
		}
		list = append(list, r.Host+" "+r.Configuration+" "+word)
	}
	return list
}

func TestReboots(t *testing.T) {
	const nothing = `nothing drives the power of host "bare": give it ipmi, redfish, management or wol in the configuration file`
	for _, tt := range []struct {
		name    string
		machine fakeMachine
		want    string
		done    []string
		most    time.Duration
	}{
		{"on", fakeMachine{state: on}, "YES", []string{"next pxe", "reset"}, 0},
		{"on, and off for a while", fakeMachine{state: on, late: 9 * time.Second}, "YES", []string{"next pxe", "reset"}, 10 * time.Second},
		{"off", fakeMachine{state: off, late: 3 * time.Second}, "YES", []string{"next pxe", "on"}, 4 * time.Second},
		{"goes off and stays so", fakeMachine{state: on, late: time.Hour}, `host "h01": its BMC at 10.0.0.1 accepted the power action "reset", but 30s later the machine is off; look at its console and at the BMC's log`,
			[]string{"next pxe", "reset"}, 31 * time.Second},
		{"does not turn on", fakeMachine{state: off, idle: true}, `host "h01": its BMC at 10.0.0.1 accepted the power action "on", but 30s later the machine is off; look at its console and at the BMC's log`,
			[]string{"next pxe", "on"}, 31 * time.Second},
		{"not told", fakeMachine{state: unknown}, `host "h01": its BMC at 10.0.0.1 does not tell whether the machine is on; look at the BMC itself`, nil, 0},
		{"refused", fakeMachine{stateFails: refused}, refused.Message, nil, 0},
		{"silent", fakeMachine{silent: true}, `host "h01": its BMC did not answer in time`, nil, time.Minute},
		{"cannot boot from the network", fakeMachine{state: on, nextFails: refused}, refused.Message, []string{"next pxe"}, 0},
		{"has no way to be told what to boot", fakeMachine{state: on, nextFails: unsupported}, "YES, but " + unsupported.Message, []string{"next pxe", "reset"}, 0},
		{"has no way, and is refused", fakeMachine{state: on, nextFails: unsupported, doFails: refused}, refused.Message, []string{"next pxe", "reset"}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				machine := tt.machine
				p, power, root := newPowered(t, &machine, &fakeMachine{state: on}, &fakeMachine{state: on})
				power.before = func() {
					if !root.changed {
						t.Error("a BMC was asked before the links were switched")
					}
				}
				began := time.Now()
				out, err := p.Change(t.Context(), Change{Want: pxepilot.Deploy, Configuration: "ubuntu",
					Hosts: append(rebooting("h02", "h01", "bare"), HostRef{Name: "h03"})})
				if err != nil {
					t.Fatal(err)
				}
				want := []string{"h02 ubuntu YES", "h01 ubuntu " + tt.want, "bare ubuntu " + nothing, "h03 ubuntu NO"}
				if diff := cmp.Diff(want, rebooted(out)); diff != "" {
					t.Error(diff)
				}
				if took := time.Since(began); took > tt.most {
					t.Errorf("it took %s", took)
				}
				if diff := cmp.Diff(tt.done, power.doneTo("h01"), cmpopts.EquateEmpty()); diff != "" {
					t.Error(diff)
				}
				if done := power.doneTo("h03"); done != nil {
					t.Errorf("done to the host that was only switched: %v", done)
				}
			})
		})
	}
}

func TestRebootsThatAreNone(t *testing.T) {
	many := func(n int) (machines []*fakeMachine, hosts []HostRef) {
		for i := range n {
			machines = append(machines, &fakeMachine{state: on})
			hosts = append(hosts, rebooting(fmt.Sprintf("h%02d", i+1))...)
		}
		return machines, hosts
	}
	const tooMany = "17 machines would be rebooted at once, and more than 16 can trip the power supply of a rack; " +
		"reboot fewer with each request (--batch), or accept it with allAtOnce (--all-at-once)"
	gone := pxepilot.Errorf(pxepilot.Unavailable, "the TFTP root is gone")
	for _, tt := range []struct {
		name  string
		n     int
		edit  func(*Change, *fakeRoot)
		code  pxepilot.Code
		want  string
		reset int
	}{
		{"sixteen", 16, func(*Change, *fakeRoot) {}, "", "", 16},
		{"seventeen", 17, func(*Change, *fakeRoot) {}, pxepilot.Conflict, tooMany, 0},
		{"seventeen, dry", 17, func(c *Change, _ *fakeRoot) { c.DryRun = true }, pxepilot.Conflict, tooMany, 0},
		{"seventeen, meant so", 17, func(c *Change, _ *fakeRoot) { c.AllAtOnce = true }, "", "", 17},
		{"sixteen among seventeen", 17, func(c *Change, _ *fakeRoot) { c.Hosts[3].Reboot = false }, "", "", 16},
		{"dry", 2, func(c *Change, _ *fakeRoot) { c.DryRun = true }, "", "", 0},
		{"a clear", 2, func(c *Change, _ *fakeRoot) { c.Want = pxepilot.Clear }, pxepilot.Invalid, "only a deploy reboots machines", 0},
		{"nothing is switched", 2, func(_ *Change, r *fakeRoot) { r.fails = gone }, pxepilot.Unavailable, gone.Message, 0},
		{"a host is refused", 2, func(_ *Change, r *fakeRoot) { r.view.Hosts[1].Links = links("grub:local") }, pxepilot.Conflict,
			`host "h01": configuration "ubuntu" has no variant for any of its loaders (grub)`, 0},
		{"a host is left out", 2, func(c *Change, r *fakeRoot) { r.view.Hosts[1].Links, c.SkipRefused = links("grub:local"), true }, "", "", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			machines, hosts := many(tt.n)
			p, power, root := newPowered(t, machines...)
			c := Change{Want: pxepilot.Deploy, Configuration: "ubuntu", Hosts: hosts}
			tt.edit(&c, root)
			out, err := p.Change(t.Context(), c)
			if pxepilot.ErrorCode(err) != tt.code || pxepilot.ErrorMessage(err) != tt.want {
				t.Errorf("%v, want %s", err, tt.want)
			}
			reset, told := 0, 0
			for i := range machines {
				if slices.Contains(power.doneTo(fmt.Sprintf("h%02d", i+1)), "reset") {
					reset++
				}
			}
			if out != nil {
				for _, r := range out.Hosts {
					if r.Rebooted {
						told++
					}
				}
			}
			if reset != tt.reset || told != tt.reset {
				t.Errorf("%d machines were reset, %d are said to be", reset, told)
			}
		})
	}
}

// A client that goes away stops no machine half-way, and no other is begun.
func TestGivingUpReboots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, power, root := newPowered(t, &fakeMachine{state: on, late: 5 * time.Second}, &fakeMachine{state: on, slow: 2 * time.Second}, &fakeMachine{silent: true})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		began := time.Now()
		out, err := p.Change(ctx, Change{Want: pxepilot.Deploy, Configuration: "ubuntu", Hosts: rebooting("h01", "h02", "h03")})
		if err != nil || !root.changed {
			t.Fatal(err)
		}
		const none = ": the request was given up before its turn came; nothing was done to its power"
		if diff := cmp.Diff([]string{"h01 ubuntu YES", `h02 ubuntu host "h02"` + none, `h03 ubuntu host "h03"` + none}, rebooted(out)); diff != "" {
			t.Error(diff)
		}
		if done := slices.Concat(power.doneTo("h02"), power.doneTo("h03")); done != nil {
			t.Errorf("begun nevertheless: %v", done)
		}
		if took := time.Since(began); took > 6*time.Second {
			t.Errorf("it took %s", took)
		}
	})
}

// Whatever BMCs do: the links are switched, the answer comes within a minute,
// tells of each host, and no machine gets what it was not asked for, or twice.
func TestRebootsWhateverBMCsDo(t *testing.T) {
	duration := rapid.Map(rapid.IntRange(0, 90_000), func(ms int) time.Duration { return time.Duration(ms) * time.Millisecond })
	failure := rapid.SampledFrom([]error{nil, nil, nil, refused, unavailable, unsupported, errors.New("0xdeadbeef"), context.DeadlineExceeded})
	machine := rapid.Custom(func(t *rapid.T) *fakeMachine {
		return &fakeMachine{
			state:  rapid.SampledFrom([]pxepilot.PowerState{on, off, unknown}).Draw(t, "state"),
			late:   duration.Draw(t, "late"),
			slow:   duration.Draw(t, "slow") / time.Duration(rapid.IntRange(1, 1000).Draw(t, "fast")),
			silent: rapid.IntRange(0, 9).Draw(t, "silent") == 0,
			idle:   rapid.IntRange(0, 4).Draw(t, "idle") == 0,

			stateFails: failure.Draw(t, "state fails"), doFails: failure.Draw(t, "do fails"),
			nextFails: failure.Draw(t, "next fails"), thenFails: failure.Draw(t, "then fails"),
		}
	})
	rapid.Check(t, func(rt *rapid.T) {
		machines := rapid.SliceOfN(machine, 1, 16).Draw(rt, "machines")
		var hosts []HostRef
		for i := range machines {
			hosts = append(hosts, HostRef{Name: fmt.Sprintf("h%02d", i+1), Reboot: rapid.IntRange(0, 3).Draw(rt, "reboot") > 0})
		}
		giveUp := duration.Draw(rt, "give up")
		var wrong []string
		synctest.Test(t, func(t *testing.T) {
			p, power, root := newPowered(t, machines...)
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(giveUp, cancel)
			var healthy []bool
			for _, m := range machines {
				healthy = append(healthy, m.healthy() && m.slow < giveUp)
			}
			began := time.Now()
			out, err := p.Change(ctx, Change{Want: pxepilot.Deploy, Configuration: "ubuntu", Hosts: hosts})
			if err != nil || !root.changed || len(out.Hosts) != len(hosts) {
				wrong = append(wrong, fmt.Sprintf("%v, %+v", err, out))
				return
			}
			if took := time.Since(began); took > 58*time.Second {
				wrong = append(wrong, fmt.Sprintf("it took %s", took))
			}
			for i, r := range out.Hosts {
				done := power.doneTo(r.Host)
				actions := slices.DeleteFunc(slices.Clone(done), func(d string) bool { return strings.HasPrefix(d, "next ") })
				m := machines[i]
				power.mu.Lock()
				state := m.state
				power.mu.Unlock()
				switch {
				case r.Host != hosts[i].Name, r.Configuration != "ubuntu":
					wrong = append(wrong, fmt.Sprintf("host %d is told as %+v", i, r))
				case !hosts[i].Reboot && (len(done) > 0 || r.Rebooted || r.Problem != nil):
					wrong = append(wrong, fmt.Sprintf("%s was not to be rebooted, but %v: %+v", r.Host, done, r))
				case len(actions) > 1 || len(done) > 2 || len(actions) == 1 && (done[0] != "next pxe" || actions[0] != "reset" && actions[0] != "on"):
					wrong = append(wrong, fmt.Sprintf("%s got %v", r.Host, done))
				case r.Rebooted && (len(actions) == 0 || state != on):
					wrong = append(wrong, fmt.Sprintf("%s was not rebooted: %v, %s", r.Host, done, state))
				case hosts[i].Reboot && !r.Rebooted && (r.Problem == nil || strings.ContainsAny(r.Problem.Error(), "\n") || pxepilot.ErrorCode(r.Problem) != pxepilot.Conflict):
					wrong = append(wrong, fmt.Sprintf("%s: no reason: %v", r.Host, r.Problem))
				case hosts[i].Reboot && healthy[i] && !r.Rebooted:
					wrong = append(wrong, fmt.Sprintf("%s could be rebooted, but %v", r.Host, r.Problem))
				}
			}
		})
		if len(wrong) > 0 {
			rt.Fatal(strings.Join(wrong, "\n"))
		}
	})
}

// healthy says whether a BMC does what it is told, in time.
func (m *fakeMachine) healthy() bool {
	return m.state != unknown && !m.silent && !m.idle && m.stateFails == nil && m.doFails == nil && m.nextFails == nil && m.thenFails == nil &&
		m.late < 20*time.Second && m.slow < 2*time.Second
}
