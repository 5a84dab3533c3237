package command_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/power/command"
	"github.com/pxe-pilot/pxe-pilot/internal/power/powertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var _ powertest.Controller = (*command.Controller)(nil)

func TestConformance(t *testing.T) {
	powertest.Conformance(t, powertest.Fixture{
		New:     newMachine,
		State:   true,
		Actions: []pxepilot.PowerAction{pxepilot.ActionOn, pxepilot.ActionOff, pxepilot.ActionReset},
		Behaviours: []powertest.Behaviour{powertest.Silent, powertest.Refuses, powertest.Idle,
			powertest.Mute, powertest.Nonsense},
	})
}

func newMachine(t *testing.T, b powertest.Behaviour) powertest.Machine {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		// As the script does it: whoever reads meanwhile sees one or the other.
		if err := os.WriteFile(filepath.Join(dir, "new"), []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, "new"), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	read := func(name string) string {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
		return strings.TrimSpace(string(data))
	}
	press := func(on bool) { write("state", map[bool]string{true: "power is on", false: "power is off"}[on]) }
	press(false)
	write("password", powertest.Password)
	write("behaviour", map[powertest.Behaviour]string{
		powertest.Silent: "silent", powertest.Idle: "idle", powertest.Mute: "mute", powertest.Nonsense: "nonsense",
	}[b])
	password := powertest.Password
	if b == powertest.Refuses {
		password = powertest.WrongPassword
	}
	script, err := filepath.Abs("testdata/machine.sh")
	if err != nil {
		t.Fatal(err)
	}
	verb := func(v string) command.Command {
		return command.Command{Cmd: "sh {{.script}} {{.ip_address}} " + v,
			Env: map[string]string{"USERNAME": "{{.user}}", "PASSWORD": "{{.password}}"}}
	}
	c, err := command.New(command.Options{
		Name: powertest.Host,
		Adapter: command.Adapter{
			Name:   "strip",
			Vars:   secrets("script", script, "user", "operator", "password", "the host's wins"),
			Status: verb("status"), PatternOn: `^power is on\n`, PatternOff: `^power is off\n`,
			On: verb("on"), Off: verb("off"), Reset: verb("reset"),
		},
		Vars:    secrets("password", password),
		Address: func(context.Context) (string, error) { return dir, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	return powertest.Machine{
		Controller: c,
		BMC:        "strip",
		IsOn:       func() bool { return read("state") == "power is on" },
		Press:      press,
		Actions: func() (actions []pxepilot.PowerAction) {
			for _, a := range strings.Fields(read("actions")) {
				actions = append(actions, pxepilot.PowerAction(a))
			}
			return actions
		},
		Forget: func() {}, // there is no session to lose
	}
}

// secrets makes variables of names and values.
func secrets(pairs ...string) map[string]pxepilot.Secret {
	vars := map[string]pxepilot.Secret{}
	for i := 0; i < len(pairs); i += 2 {
		vars[pairs[i]] = pxepilot.NewSecret(pairs[i+1])
	}
	return vars
}
