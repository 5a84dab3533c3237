package ipmi_test

import (
	"context"
	"crypto/rand"
	"net/netip"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/power/fakebmc"
	"github.com/pxe-pilot/pxe-pilot/internal/power/ipmi"
	"github.com/pxe-pilot/pxe-pilot/internal/power/powertest"
)

const user = "ipmiusr"

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// everything is what IPMI can, whoever speaks it.
var everything = powertest.Fixture{
	State: true,
	Actions: []pxepilot.PowerAction{
		pxepilot.ActionOn, pxepilot.ActionOff, pxepilot.ActionSoftOff, pxepilot.ActionCycle, pxepilot.ActionReset,
	},
	Devices:  []pxepilot.BootDevice{pxepilot.BootPXE, pxepilot.BootDisk, pxepilot.BootSetup},
	Firmware: true,
}

func TestConformance(t *testing.T) {
	for _, tt := range []struct {
		name   string
		suites []int
		suite  int
		idle   time.Duration
	}{
		{"suite 3, sessions kept", []int{3}, -1, time.Minute},
		{"suite 17, a session for each call", []int{17}, 17, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := everything
			f.Behaviours = []powertest.Behaviour{
				powertest.Silent, powertest.Refuses, powertest.Idle, powertest.Mute, powertest.Nonsense,
			}
			f.New = func(t *testing.T, b powertest.Behaviour) powertest.Machine {
				m, bmc := fake(t, b, tt.suites...)
				o := options(bmc.Addr())
				o.CipherSuite, o.Idle = tt.suite, tt.idle
				if b == powertest.Refuses {
					o.Password = secret(powertest.WrongPassword)
				}
				return powertest.Machine{
					Controller: ipmi.New(o),
					BMC:        bmc.Addr().String(),
					IsOn:       m.On,
					Press:      m.Press,
					Actions:    m.Actions,
					Forget:     bmc.Forget,
					NextBoot: func() (pxepilot.BootDevice, pxepilot.Firmware) {
						return m.Next().Device, m.Next().Firmware
					},
				}
			}
			powertest.Conformance(t, f)
		})
	}
}

// fake makes a machine and a BMC that behaves like that.
func fake(t *testing.T, b powertest.Behaviour, suites ...int) (*fakebmc.Machine, *fakebmc.IPMI) {
	t.Helper()
	m := new(fakebmc.Machine)
	bmc, err := fakebmc.StartIPMI("127.0.0.1:0", fakebmc.Account{
		User: user, Password: pxepilot.NewSecret(powertest.Password), Suites: suites,
	}, m)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := bmc.Close(); err != nil {
			t.Errorf("fake BMC: Close: %v", err)
		}
	})
	switch b {
	case powertest.Silent:
		bmc.SetSilent(true)
	case powertest.Idle:
		m.SetIdle(true)
	case powertest.Mute:
		m.Watch(func(pxepilot.PowerAction) { bmc.Tamper(func([]byte) [][]byte { return nil }) })
	case powertest.Nonsense:
		bmc.Tamper(func(answer []byte) [][]byte {
			garbage := make([]byte, len(answer))
			_, _ = rand.Read(garbage)
			return [][]byte{garbage, answer[:len(answer)/2], {}}
		})
	}
	return m, bmc
}

func options(at netip.AddrPort) ipmi.Options {
	return ipmi.Options{
		Name:        powertest.Host,
		Address:     func(context.Context) (string, error) { return at.Addr().String(), nil },
		Port:        int(at.Port()),
		User:        user,
		Password:    secret(powertest.Password),
		CipherSuite: -1,
		Idle:        time.Minute,
	}
}

func secret(s string) func() (pxepilot.Secret, error) {
	return func() (pxepilot.Secret, error) { return pxepilot.NewSecret(s), nil }
}
