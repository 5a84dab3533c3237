package pilot

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/pxe-pilot/pxe-pilot"
)

const (
	on      = pxepilot.PowerOn
	off     = pxepilot.PowerOff
	unknown = pxepilot.PowerUnknown
)

var (
	refused     = pxepilot.Errorf(pxepilot.Conflict, `host "h01": BMC 10.0.0.1: the password is wrong`)
	unavailable = pxepilot.Errorf(pxepilot.Unavailable, `host "h01": BMC 10.0.0.1: try again`)
	unsupported = pxepilot.Errorf(pxepilot.Conflict, `host "h01": Wake-on-LAN can only turn machines on`).Because(errors.ErrUnsupported)
)

// onlyAccepted names the cases of TestDrive in which nobody looks what came of it.
var onlyAccepted = map[string]bool{
	"on by Wake-on-LAN": true, "soft off": true, "reboot what is on": true, "reboot into the setup": true, "cycle what is on": true,
}

func TestDrive(t *testing.T) {
	const noState = `host "h01": its BMC at 10.0.0.1 does not tell whether the machine is on; look at the BMC itself`
	const accepted = `host "h01": its BMC at 10.0.0.1 accepted the power action `
	const look = `; look at its console and at the BMC's log`
	for _, tt := range []struct {
		name    string
		machine fakeMachine
		order   Order
		done    []string
		takes   time.Duration
		fails   string
	}{
		{"on", fakeMachine{state: off}, Order{Do: TurnOn}, []string{"on"}, 0, ""},
		{"on what is on", fakeMachine{state: on}, Order{Do: TurnOn}, nil, 0, ""},
		{"on, from the network", fakeMachine{state: off}, Order{Do: TurnOn, Next: pxepilot.BootPXE}, []string{"next pxe", "on"}, 0, ""},
		{"on what is on, next from the network", fakeMachine{state: on}, Order{Do: TurnOn, Next: pxepilot.BootPXE}, []string{"next pxe"}, 0, ""},
		{"on where the state is not told", fakeMachine{state: unknown}, Order{Do: TurnOn}, []string{"on"}, 0, ""},
		{"on, slowly", fakeMachine{state: off, late: 11900 * time.Millisecond}, Order{Do: TurnOn}, []string{"on"}, 12 * time.Second, ""},
		{"on, just in time", fakeMachine{state: off, late: 29*time.Second + 400*time.Millisecond}, Order{Do: TurnOn}, []string{"on"}, 29*time.Second + 500*time.Millisecond, ""},
		{"on, too slowly", fakeMachine{state: off, late: 31 * time.Second}, Order{Do: TurnOn}, []string{"on"}, 30 * time.Second,
			accepted + `"on", but 30s later the machine is off` + look},
		{"on, and nothing happens", fakeMachine{state: off, idle: true}, Order{Do: TurnOn}, []string{"on"}, 30 * time.Second,
			accepted + `"on", but 30s later the machine is off` + look},
		{"on, and nobody can tell", fakeMachine{state: unknown, idle: true}, Order{Do: TurnOn}, []string{"on"}, 30 * time.Second,
			accepted + `"on", but 30s later the machine is in a state that the BMC does not tell` + look},
		{"on, and the BMC falls silent", fakeMachine{state: off, thenFails: unavailable}, Order{Do: TurnOn}, []string{"on"}, 30 * time.Second,
			accepted + `"on", but did not say within 30s that it happened: ` + unavailable.Message},
		{"on, and the BMC answers no more", fakeMachine{state: off, mute: true}, Order{Do: TurnOn}, []string{"on"}, 30 * time.Second,
			accepted + `"on", but did not say within 30s that it happened: host "h01": its BMC did not answer in time`},
		{"on, refused", fakeMachine{state: off, doFails: refused}, Order{Do: TurnOn}, []string{"on"}, 0, refused.Message},
		{"on by Wake-on-LAN", fakeMachine{stateFails: unsupported}, Order{Do: TurnOn}, []string{"on"}, 0, ""},
		{"off by Wake-on-LAN", fakeMachine{stateFails: unsupported, doFails: unsupported}, Order{Do: TurnOff}, []string{"off"}, 0, unsupported.Message},
		{"reboot by Wake-on-LAN", fakeMachine{stateFails: unsupported}, Order{Do: Reboot}, nil, 0, unsupported.Message},

		{"off", fakeMachine{state: on}, Order{Do: TurnOff}, []string{"off"}, 0, ""},
		{"off what is off", fakeMachine{state: off}, Order{Do: TurnOff}, nil, 0, ""},
		{"off, slowly", fakeMachine{state: on, late: 3900 * time.Millisecond}, Order{Do: TurnOff}, []string{"off"}, 4 * time.Second, ""},
		{"off, and nothing happens", fakeMachine{state: on, idle: true}, Order{Do: TurnOff}, []string{"off"}, 30 * time.Second,
			accepted + `"off", but 30s later the machine is on` + look},
		{"soft off", fakeMachine{state: on, late: time.Hour}, Order{Do: SoftOff}, []string{"soft-off"}, 0, ""},
		{"soft off what is off", fakeMachine{state: off}, Order{Do: SoftOff}, nil, 0, ""},

		{"reboot what is on", fakeMachine{state: on, late: time.Minute}, Order{Do: Reboot}, []string{"reset"}, 0, ""},
		{"reboot what is off", fakeMachine{state: off, late: 1900 * time.Millisecond}, Order{Do: Reboot}, []string{"on"}, 2 * time.Second, ""},
		{"reboot what is off, and nothing happens", fakeMachine{state: off, idle: true}, Order{Do: Reboot}, []string{"on"}, 30 * time.Second,
			accepted + `"on", but 30s later the machine is off` + look},
		{"reboot into the setup", fakeMachine{state: on}, Order{Do: Reboot, Next: pxepilot.BootSetup}, []string{"next bios", "reset"}, 0, ""},
		{"reboot where the state is not told", fakeMachine{state: unknown}, Order{Do: Reboot}, nil, 0, noState},
		{"reboot, refused", fakeMachine{state: on, doFails: refused}, Order{Do: Reboot}, []string{"reset"}, 0, refused.Message},
		{"reboot, but not from there", fakeMachine{state: on, nextFails: refused}, Order{Do: Reboot, Next: pxepilot.BootDisk}, []string{"next disk"}, 0, refused.Message},
		{"reboot, but nothing can set from where", fakeMachine{state: on, nextFails: unsupported}, Order{Do: Reboot, Next: pxepilot.BootDisk}, []string{"next disk"}, 0, unsupported.Message},
		{"cycle what is on", fakeMachine{state: on, late: time.Minute}, Order{Do: Cycle}, []string{"cycle"}, 0, ""},
		{"cycle what is off", fakeMachine{state: off}, Order{Do: Cycle, Next: pxepilot.BootDisk}, []string{"next disk", "on"}, 0, ""},
		{"cycle where the state is not told", fakeMachine{state: unknown}, Order{Do: Cycle}, nil, 0, noState},

		{"a state that cannot be learnt", fakeMachine{stateFails: unavailable}, Order{Do: TurnOn}, nil, 0, unavailable.Message},
		{"what is nobody's error", fakeMachine{stateFails: errors.New("0xdeadbeef")}, Order{Do: TurnOff}, nil, 0,
			`host "h01": its power cannot be driven; the server's log has the details`},
		{"silent", fakeMachine{silent: true}, Order{Do: TurnOff}, nil, 57 * time.Second, `host "h01": its BMC did not answer in time`},
		{"slow in everything", fakeMachine{state: off, slow: 20 * time.Second, late: time.Minute}, Order{Do: TurnOn, Next: pxepilot.BootPXE}, []string{"next pxe"}, 57 * time.Second,
			`host "h01": its BMC did not answer in time`},
		{"slow to be read back", fakeMachine{state: off, slow: 15 * time.Second, idle: true}, Order{Do: TurnOn}, []string{"on"}, 57 * time.Second,
			accepted + `"on", but 27s later the machine is off` + look},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				machine := tt.machine
				p, power, _ := newPowered(t, &machine)
				began := time.Now()
				accepted, err := p.Drive(t.Context(), "h01", tt.order)
				if want := onlyAccepted[tt.name]; accepted != want {
					t.Errorf("only accepted: %t, want %t", accepted, want)
				}
				if pxepilot.ErrorMessage(err) != tt.fails || err != nil && pxepilot.ErrorCode(err) != pxepilot.Conflict {
					t.Errorf("%v, want %s", err, tt.fails)
				}
				if took := time.Since(began); took != tt.takes {
					t.Errorf("it took %s, want %s", took, tt.takes)
				}
				if diff := cmp.Diff(tt.done, power.doneTo("h01"), cmpopts.EquateEmpty()); diff != "" {
					t.Error(diff)
				}
				for _, cause := range []error{machine.stateFails, machine.doFails, machine.nextFails, machine.thenFails} {
					if cause != nil && tt.fails != "" && !errors.Is(err, cause) {
						t.Errorf("the cause is lost: %v", err)
					}
				}
			})
		})
	}
}

func TestDriveRefuses(t *testing.T) {
	p, power, _ := newPowered(t, &fakeMachine{state: on})
	for _, tt := range []struct {
		ref   string
		order Order
		code  pxepilot.Code
		want  string
	}{
		{"h02", Order{Do: TurnOff}, pxepilot.NotFound, `host "h02" not found; did you mean h01?`},
		{"a/b", Order{Do: TurnOff}, pxepilot.Invalid, `host: the name "a/b" contains a slash`},
		{"bare", Order{Do: TurnOff}, pxepilot.Conflict, `nothing drives the power of host "bare": give it ipmi, redfish, management or wol in the configuration file`},
		{"h01", Order{Do: TurnOff, Next: pxepilot.BootPXE}, pxepilot.Invalid, `what to boot from next cannot be told with a machine to be turned off; tell it when it is turned on`},
		{"h01", Order{Do: SoftOff, Next: pxepilot.BootPXE}, pxepilot.Invalid, `what to boot from next cannot be told with a machine to be turned off; tell it when it is turned on`},
		{"h01", Order{Do: Reboot, Next: "cd"}, pxepilot.Invalid, `what to boot from next is "cd"; want pxe, disk or bios`},
	} {
		if _, err := p.Drive(t.Context(), tt.ref, tt.order); pxepilot.ErrorCode(err) != tt.code || pxepilot.ErrorMessage(err) != tt.want {
			t.Errorf("%s: %v, want %s", pxepilot.ErrorCode(err), err, tt.want)
		}
	}
	if done := power.doneTo("h01"); done != nil {
		t.Errorf("something was done: %v", done)
	}
}

func TestPower(t *testing.T) {
	for _, tt := range []struct {
		name, ref string
		machine   fakeMachine
		want      *PowerStatus
		code      pxepilot.Code
		message   string
	}{
		{"on", "h01", fakeMachine{state: on}, &PowerStatus{Host: "h01", State: on, Address: "10.0.0.1"}, "", ""},
		{"off, by MAC", "00:00:00:00:00:01", fakeMachine{state: off, slow: time.Second}, &PowerStatus{Host: "h01", State: off, Address: "10.0.0.1"}, "", ""},
		{"not told", "h01", fakeMachine{state: unknown}, nil, pxepilot.Conflict, `host "h01": its BMC at 10.0.0.1 does not tell whether the machine is on; look at the BMC itself`},
		{"refused", "h01", fakeMachine{stateFails: refused}, nil, pxepilot.Conflict, refused.Message},
		{"not now", "h01", fakeMachine{stateFails: unavailable}, nil, pxepilot.Conflict, unavailable.Message},
		{"silent", "h01", fakeMachine{silent: true}, nil, pxepilot.Conflict, `host "h01": its BMC did not answer in time`},
		{"bare", "bare", fakeMachine{}, nil, pxepilot.Conflict, `nothing drives the power of host "bare": give it ipmi, redfish, management or wol in the configuration file`},
		{"unknown", "h09", fakeMachine{}, nil, pxepilot.NotFound, `host "h09" not found; did you mean h01?`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, _, _ := newPowered(t, &tt.machine)
				began := time.Now()
				got, err := p.Power(t.Context(), tt.ref)
				if diff := cmp.Diff(tt.want, got); diff != "" || pxepilot.ErrorCode(err) != tt.code || pxepilot.ErrorMessage(err) != tt.message {
					t.Errorf("%v\n%s", err, diff)
				}
				if took := time.Since(began); took > time.Minute {
					t.Errorf("it took %s", took)
				}
			})
		})
	}
}

// Whatever drives a host's power counts, and without any Power nothing does.
func TestDrivable(t *testing.T) {
	p, power, _ := newPowered(t)
	for _, tt := range []struct {
		host pxepilot.Host
		want bool
	}{
		{pxepilot.Host{}, false},
		{pxepilot.Host{IPMI: &pxepilot.IPMI{}}, true},
		{pxepilot.Host{Redfish: &pxepilot.Redfish{}}, true},
		{pxepilot.Host{Management: &pxepilot.Management{}}, true},
		{pxepilot.Host{WakeOnLAN: &pxepilot.WakeOnLAN{}}, true},
	} {
		if err := p.drivable(&tt.host); (err == nil) != tt.want {
			t.Errorf("%+v: %v", tt.host, err)
		}
		without := New(p.site, p.reload, Options{})
		if err := without.drivable(&tt.host); pxepilot.ErrorCode(err) != pxepilot.Conflict {
			t.Errorf("%+v without Power: %v", tt.host, err)
		}
	}
	if v := New(p.site, p.reload, Options{}).Powers(t.Context()); v != nil {
		t.Errorf("%v is known", v)
	}
	power.view = &pxepilot.PowerView{}
	if v := p.Powers(t.Context()); v != power.view {
		t.Errorf("%v is known", v)
	}
}

// Who gives up before the BMC told the state has nothing done to the machine;
// who gives up later does not leave it half done.
func TestGivingUp(t *testing.T) {
	for _, tt := range []struct {
		name  string
		after time.Duration
		done  []string
		fails string
	}{
		{"before", 0, nil, `host "h01": the request was given up before its turn came; nothing was done to its power`},
		{"while it is asked", 1500 * time.Millisecond, nil, `host "h01": the request was given up before its turn came; nothing was done to its power`},
		{"while the next boot is set", 2500 * time.Millisecond, []string{"next pxe", "on"}, ""},
		{"while it is read back", 8 * time.Second, []string{"next pxe", "on"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, power, _ := newPowered(t, &fakeMachine{state: off, slow: 2 * time.Second, late: 10 * time.Second})
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if tt.after == 0 {
					cancel()
				} else {
					time.AfterFunc(tt.after, cancel)
				}
				_, err := p.Drive(ctx, "h01", Order{Do: TurnOn, Next: pxepilot.BootPXE})
				if pxepilot.ErrorMessage(err) != tt.fails {
					t.Errorf("%v, want %s", err, tt.fails)
				}
				if diff := cmp.Diff(tt.done, power.doneTo("h01"), cmpopts.EquateEmpty()); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

// Where BMCs are is told without asking them, anew only when one is elsewhere.
func TestAddresses(t *testing.T) {
	at := map[string]string{"b": "10.0.0.1"}
	p, _ := newDiscovering(t, nil)
	if got := p.Addresses(); got != nil {
		t.Errorf("%v where nothing drives any power", got)
	}
	p.power = located{at: at}
	first := p.Addresses()
	want := &pxepilot.PowerView{Hosts: map[string]pxepilot.PowerKnowledge{"b": {Address: "10.0.0.1"}}}
	if diff := cmp.Diff(want, first); diff != "" {
		t.Error(diff)
	}
	if p.Addresses() != first {
		t.Error("another view where nothing changed")
	}
	at["b"] = "10.0.0.2"
	if got := p.Addresses(); got.Hosts["b"].Address != "10.0.0.2" || first.Hosts["b"].Address != "10.0.0.1" {
		t.Errorf("%v after %v", got, first)
	}
}

// located knows where BMCs are, and can be asked nothing else.
type located struct {
	Power
	at map[string]string
}

func (l located) Address(h *pxepilot.Host) string { return l.at[h.Name] }
