package ipmi_test

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/power/fakebmc"
	"github.com/pxe-pilot/pxe-pilot/internal/power/ipmi"
	"github.com/pxe-pilot/pxe-pilot/internal/power/powertest"
)

// What is wrong is said in one line: which host, which BMC, what, what to do.
func TestErrors(t *testing.T) {
	account := fakebmc.Account{User: user, Password: pxepilot.NewSecret(powertest.Password)}
	for _, tt := range []struct {
		name    string
		account func(*fakebmc.Account)
		options func(*ipmi.Options)
		bmc     func(*fakebmc.IPMI)
		do      pxepilot.PowerAction // State unless told
		want    string               // BMC is where it is
	}{
		{
			name:    "wrong password",
			options: func(o *ipmi.Options) { o.Password = secret(powertest.WrongPassword) },
			want:    `host h2: BMC BMC: refuses the password of user "ipmiusr"; check username and password`,
		},
		{
			name:    "cipher suite that it does not have",
			account: func(a *fakebmc.Account) { a.Suites = []int{3} },
			options: func(o *ipmi.Options) { o.CipherSuite = 17 },
			want:    "host h2: BMC BMC: refuses the cipher suite; set cipher_suite to the one that it has (17 or 3), or leave it out",
		},
		{
			name:    "cipher suite that we do not have",
			options: func(o *ipmi.Options) { o.CipherSuite = 8 },
			want:    "host h2: BMC BMC: cipher suite 8 is not supported; set cipher_suite to 17 or 3, or leave it out",
		},
		{
			name:    "user who may only look",
			account: func(a *fakebmc.Account) { a.Readonly = true },
			do:      pxepilot.ActionOn,
			want:    `host h2: BMC BMC: does not let user "ipmiusr" act as operator; give the user that privilege on the LAN channel`,
		},
		{
			name:    "key K_G",
			account: func(a *fakebmc.Account) { a.Key = pxepilot.NewSecret("key-of-the-bmc") },
			want:    "host h2: BMC BMC: has a key K_G of its own, which is not supported; clear it in the BMC",
		},
		{
			name: "nobody listens",
			bmc:  func(b *fakebmc.IPMI) { _ = b.Close() },
			want: "host h2: BMC BMC: cannot be reached (connection refused); check its address and port, and that IPMI over LAN is enabled",
		},
		{
			name: "silent",
			bmc:  func(b *fakebmc.IPMI) { b.SetSilent(true) },
			want: "host h2: BMC BMC: does not answer; check its address, its power, and that IPMI over LAN is enabled",
		},
		{
			name: "half packets",
			bmc:  func(b *fakebmc.IPMI) { b.Tamper(func(a []byte) [][]byte { return [][]byte{a[:len(a)/2]} }) },
			want: "host h2: BMC BMC: sent 2 answers that make no sense within",
		},
		{
			name: "cycle of what is off",
			do:   pxepilot.ActionCycle,
			want: "host h2: BMC BMC: refuses power cycle: not in the state that the machine is in; is it on? (completion code D5h)",
		},
		{
			name:    "name that is none",
			options: func(o *ipmi.Options) { o.Address = at("bmc..h2") },
			want:    "host h2: BMC [bmc..h2]:PORT: its name cannot be resolved (no such host); check ipmi.hostname, or use an address",
		},
		{
			name: "address that is not known",
			options: func(o *ipmi.Options) {
				o.Address = func(context.Context) (string, error) {
					return "", errors.New("00:00:00:00:00:a2 was seen nowhere; run pxe-pilot discover")
				}
			},
			want: "host h2: the address of its BMC is not known: 00:00:00:00:00:a2 was seen nowhere; run pxe-pilot discover",
		},
		{
			name: "password that cannot be read",
			options: func(o *ipmi.Options) {
				o.Password = func() (pxepilot.Secret, error) {
					return pxepilot.Secret{}, errors.New("open /etc/pxe-pilot/h2.password: permission denied")
				}
			},
			want: "host h2: BMC BMC: its password cannot be had: open /etc/pxe-pilot/h2.password: permission denied",
		},
		{
			name:    "password that is too long",
			options: func(o *ipmi.Options) { o.Password = secret(strings.Repeat("x", 21)) },
			want:    "host h2: BMC BMC: the password is longer than the 20 bytes that IPMI takes",
		},
		{
			name:    "user name that is too long",
			options: func(o *ipmi.Options) { o.User = strings.Repeat("x", 17) },
			want:    "host h2: BMC BMC: the user name is longer than the 16 bytes that IPMI takes",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := account
			if tt.account != nil {
				tt.account(&a)
			}
			var m fakebmc.Machine
			bmc, err := fakebmc.StartIPMI("127.0.0.1:0", a, &m)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = bmc.Close() }()
			o := options(bmc.Addr())
			if tt.options != nil {
				tt.options(&o)
			}
			if tt.bmc != nil {
				tt.bmc(bmc)
			}
			c := ipmi.New(o)
			defer func() { _ = c.Close() }()

			began := time.Now()
			if tt.do != "" {
				err = c.Do(t.Context(), tt.do)
			} else {
				_, err = c.State(t.Context())
			}
			// Nothing here costs more than a silent BMC may.
			if took := time.Since(began); took > 2*time.Second+500*time.Millisecond {
				t.Errorf("took %s", took)
			}
			if code := pxepilot.ErrorCode(err); code != pxepilot.Conflict {
				t.Errorf("code %q, want %q", code, pxepilot.Conflict)
			}
			got := pxepilot.ErrorMessage(err)
			want := strings.NewReplacer(
				"BMC BMC", "BMC "+bmc.Addr().String(),
				"[bmc..h2]:PORT", "bmc..h2:"+bmc.Addr().String()[len("127.0.0.1:"):],
			).Replace(tt.want)
			if !strings.HasPrefix(got, want) || len(m.Actions()) > 0 {
				t.Errorf("actions %v, error %q\nwant %q", m.Actions(), got, want)
			}
		})
	}
}

// The port is told where it is not IPMI's own.
func TestErrorPort(t *testing.T) {
	o := options(netip.MustParseAddrPort("127.0.0.1:623"))
	o.Port, o.CipherSuite = 0, 5
	_, err := ipmi.New(o).State(t.Context())
	if want := "host h2: BMC 127.0.0.1: cipher suite 5"; !strings.HasPrefix(pxepilot.ErrorMessage(err), want) {
		t.Errorf("State: %v, want %q", err, want)
	}
}

// A user whom ipmi_sim, unlike others, tells from a wrong password.
func TestSimUnknownUser(t *testing.T) {
	s := newSim(t)
	o := options(s.at)
	o.User = "stranger"
	_, err := ipmi.New(o).State(t.Context())
	if got, want := pxepilot.ErrorMessage(err), `does not know user "stranger"; check username and password`; !strings.HasSuffix(got, want) {
		t.Errorf("State: %q, want %q", got, want)
	}
}

func at(address string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return address, nil }
}
