package redfish_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"go.uber.org/goleak"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/power/powertest"
	"github.com/pxe-pilot/pxe-pilot/internal/power/redfish"
	"github.com/pxe-pilot/pxe-pilot/internal/power/redfish/redfishtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var _ powertest.Controller = (*redfish.Controller)(nil)

// actionOf is what each reset type does to a machine.
var actionOf = map[string]pxepilot.PowerAction{
	"On": pxepilot.ActionOn, "ForceOn": pxepilot.ActionOn, "ForceOff": pxepilot.ActionOff,
	"GracefulShutdown": pxepilot.ActionSoftOff, "PowerCycle": pxepilot.ActionCycle, "ForceRestart": pxepilot.ActionReset,
}

func TestConformance(t *testing.T) {
	powertest.Conformance(t, powertest.Fixture{
		New:   newMachine,
		State: true,
		Actions: []pxepilot.PowerAction{pxepilot.ActionOn, pxepilot.ActionOff, pxepilot.ActionSoftOff,
			pxepilot.ActionCycle, pxepilot.ActionReset},
		Devices:  []pxepilot.BootDevice{pxepilot.BootPXE, pxepilot.BootDisk, pxepilot.BootSetup},
		Firmware: true,
		Behaviours: []powertest.Behaviour{powertest.Silent, powertest.Refuses, powertest.Idle,
			powertest.Mute, powertest.Nonsense},
	})
}

func newMachine(t *testing.T, b powertest.Behaviour) powertest.Machine {
	s := redfishtest.New(redfishtest.Options{Username: "user", Password: powertest.Password})
	t.Cleanup(s.Close)
	password := powertest.Password
	changes := func(r *http.Request) bool { return r.Method == http.MethodPatch || isReset(r) }
	switch b {
	case powertest.Silent:
		s.InFront(func(_ http.ResponseWriter, r *http.Request, _ http.Handler) { redfishtest.Hang(r) })
	case powertest.Refuses:
		password = powertest.WrongPassword
	case powertest.Idle:
		s.InFront(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if changes(r) {
				w.WriteHeader(http.StatusNoContent)
				return
			}
			next.ServeHTTP(w, r)
		})
	case powertest.Mute:
		s.InFront(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if changes(r) {
				next.ServeHTTP(httptest.NewRecorder(), r)
				redfishtest.Hang(r)
			}
			next.ServeHTTP(w, r)
		})
	case powertest.Nonsense:
		s.InFront(func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			w.Write([]byte("\x00\xffwhat? \x1b[31m" + powertest.Password))
		})
	}
	system := s.System("")
	return powertest.Machine{
		Controller: open(t, s, redfish.Options{Name: powertest.Host, Username: "user", Password: fixed(password)}),
		BMC:        s.Address(),
		IsOn:       system.IsOn,
		Press:      system.Press,
		Forget:     s.Forget,
		Actions: func() (actions []pxepilot.PowerAction) {
			for _, a := range system.Actions() {
				actions = append(actions, actionOf[a])
			}
			return actions
		},
		NextBoot: func() (pxepilot.BootDevice, pxepilot.Firmware) {
			boot := system.Boot()
			if boot.Enabled != "Once" {
				return "", ""
			}
			return map[string]pxepilot.BootDevice{"Pxe": pxepilot.BootPXE, "Hdd": pxepilot.BootDisk, "BiosSetup": pxepilot.BootSetup}[boot.Target],
				map[string]pxepilot.Firmware{"UEFI": pxepilot.UEFI, "Legacy": pxepilot.BIOS}[boot.Mode]
		},
	}
}

// open makes a driver for a server, which it believes for now, with what o says
// besides. It is not closed by itself.
func open(t *testing.T, s *redfishtest.Server, o redfish.Options) *redfish.Controller {
	t.Helper()
	if o.URL == "" {
		o.URL = s.URL()
	}
	if o.Name == "" {
		o.Name = "h2"
	}
	if o.CAFile == "" && o.Fingerprint == "" {
		o.Insecure = true
	}
	c, err := redfish.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// serve starts a service that lets "user" in with "hunter2", and a driver for it.
func serve(t *testing.T, o redfishtest.Options) (*redfishtest.Server, *redfish.Controller) {
	t.Helper()
	o.Username, o.Password = "user", "hunter2"
	s := redfishtest.New(o)
	t.Cleanup(s.Close)
	c := open(t, s, redfish.Options{Username: "user", Password: fixed("hunter2")})
	t.Cleanup(func() { c.Close() })
	return s, c
}

func fixed(password string) func() (pxepilot.Secret, error) {
	return func() (pxepilot.Secret, error) { return pxepilot.NewSecret(password), nil }
}

func isReset(r *http.Request) bool { return r.Method == http.MethodPost && isResetPath(r.URL.Path) }

func isResetPath(path string) bool {
	return slices.Contains([]string{"/redfish/v1/Systems/1/Actions/ComputerSystem.Reset"}, path)
}

// asked are the requests of a method, by their paths.
func asked(s *redfishtest.Server, method string) (paths []string) {
	for _, r := range s.Requests() {
		if r.Method == method {
			paths = append(paths, r.Path)
		}
	}
	return paths
}
