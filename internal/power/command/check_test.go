package command_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/power/command"
)

// told is what Check, and Unknown for a host with such variables and an
// address, say, warnings marked.
func told(a command.Adapter, vars ...string) (lines []string) {
	for _, p := range append(command.Check(a), command.Unknown(a, secrets(vars...), true)...) {
		line := p.String()
		if p.Warning {
			line = "warning: " + line
		}
		lines = append(lines, line)
	}
	return lines
}

func TestCheck(t *testing.T) {
	on := func(cmd string) command.Adapter { return command.Adapter{Name: "strip", On: command.Command{Cmd: cmd}} }
	for _, tt := range []struct {
		name    string
		adapter command.Adapter
		want    []string // the beginnings of lines
	}{
		{"nothing wrong", command.Adapter{
			Vars:   secrets("outlet", "3"),
			Status: command.Command{Cmd: `snmpget -v2c -c public {{.ip_address}} "{{ .outlet }}"`}, PatternOn: "1$", PatternOff: "2$",
			On:  command.Command{Cmd: "x {{.outlet}}", Env: map[string]string{"PASSWORD": "{{.password}}"}},
			Off: command.Command{Cmd: "x", Stdin: "{{.password}}"}, Reset: command.Command{Cmd: "x"},
		}, nil},
		{"nothing at all", command.Adapter{}, []string{"power_status is missing, and so are power_on, power_off and power_reset"}},
		{"an operator", on("a | b"), []string{`power_on.cmd has '|' at character 3, which is for a shell, but no shell runs it`}},
		{"a template", on("a '{{.x'"), []string{`power_on.cmd 1: unclosed action`}},
		{"a template with spaces", on("a {{ .outlet }}"), []string{`power_on.cmd 1: unclosed action; a template with spaces needs quotes, as in "{{ .name }}"`}},
		{"a function", on("a '{{exec `sh`}}'"), []string{`power_on.cmd 1: function "exec" not defined`}},
		{"an unknown variable", on("a {{.pasword}}"), []string{"power_on.cmd has the unknown variable {{.pasword}}; did you mean password?"}},
		{"unknown variables anywhere", command.Adapter{Off: command.Command{
			Cmd:   `a '{{if .a}}{{.b}}{{else}}{{$.c}}{{end}}' '{{with .d}}{{.e}}{{end}}{{range .f}}{{else}}{{.g}}{{end}}' '{{template "t" .h}}{{define "t"}}{{.i}}{{end}}' '{{printf "%s" (len .j)}}{{$k := .l}}{{$k}}' {{.a}}`,
			Env:   map[string]string{"E": "{{.m}}"},
			Stdin: "{{.n}}",
		}}, unknown("power_off.cmd", "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "l", "power_off.env.E", "m", "power_off.stdin", "n")},
		{"no patterns", command.Adapter{Status: command.Command{Cmd: "a"}}, []string{
			"power_status.pattern_on is missing", "power_status.pattern_off is missing"}},
		{"bad patterns", command.Adapter{Status: command.Command{Cmd: "a"}, PatternOn: "(", PatternOff: "a(?=b)"}, []string{
			"power_status.pattern_on is no regular expression: error parsing regexp: missing closing )", "power_status.pattern_off is no regular expression"}},
		{"no cmd", command.Adapter{On: command.Command{Cmd: "a"}, Off: command.Command{Stdin: "x"}}, []string{"power_off has no cmd"}},
		{"a bad name", command.Adapter{On: command.Command{Cmd: "a", Env: map[string]string{"A B": "", "9": "", "": "", "OK_9": ""}}}, []string{
			`power_on.env "" is no name of a variable`, `power_on.env "9" is no name`, `power_on.env "A B" is no name`}},
		{"a secret in the process list", on("a -P {{.password}} {{.password}} {{.api_key}} {{.outlet}}"), []string{
			"warning: power_on.cmd passes {{.password}} as an argument, which every user of this machine sees in the process list; pass it by env or stdin",
			"warning: power_on.cmd passes {{.api_key}} as an argument"}},
		{"a secret by index", on(`a '{{index . "password"}}' '{{index $ "api_key"}}' '{{index . "outlet"}}'`), []string{
			"warning: power_on.cmd passes {{.password}}", "warning: power_on.cmd passes {{.api_key}}"}},
		{"an unknown variable by index", on(`a '{{index . "pasword"}}'`), []string{"power_on.cmd has the unknown variable {{.pasword}}"}},
		{"all variables", on(`a '{{range $k, $v := .}}{{$v}}{{end}}' {{.}}`), []string{"warning: power_on.cmd takes all variables at once by {{.}}"}},
		{"all variables by index", on("a '{{$k := `x`}}{{index . $k}}'"), []string{"warning: power_on.cmd takes all variables at once"}},
		{"all variables by a variable", on("a '{{with $}}{{.password}}{{end}}'"), []string{
			"warning: power_on.cmd takes all variables at once", "warning: power_on.cmd passes {{.password}}"}},
		{"all variables handed on", on(`a '{{define "t"}}{{.}}{{end}}{{template "t" .}}'`), []string{"warning: power_on.cmd takes all variables at once"}},
		{"a dot that is one value", on(`a '{{with .outlet}}{{.}}{{end}}' '{{define "t"}}{{.outlet}}{{end}}{{template "t" .}}'`), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := told(tt.adapter, "password", "hunter2", "outlet", "3", "api_key", "x")
			if len(got) != len(tt.want) {
				t.Fatalf("got %q, want %q", got, tt.want)
			}
			for i := range got {
				if !strings.HasPrefix(got[i], tt.want[i]) {
					t.Errorf("got %q, want %q", got[i], tt.want[i])
				}
			}
			_, err := command.New(command.Options{Name: "h2", Adapter: tt.adapter, Vars: secrets("password", "hunter2", "outlet", "3", "api_key", "x"),
				Address: func(context.Context) (string, error) { return "10.0.0.5", nil }})
			if refused := len(tt.want) > 0 && !strings.HasPrefix(tt.want[0], "warning"); refused != (err != nil) ||
				refused && (pxepilot.ErrorCode(err) != pxepilot.Invalid || !strings.Contains(err.Error(), tt.want[0])) {
				t.Errorf("New: %v", err)
			}
		})
	}
}

// unknown makes the lines for variables; what has a dot says where they are.
func unknown(names ...string) (lines []string) {
	where := ""
	for _, n := range names {
		if strings.Contains(n, ".") {
			where = n
			continue
		}
		lines = append(lines, where+" has the unknown variable {{."+n+"}}")
	}
	return lines
}

func TestNoAddress(t *testing.T) {
	a := command.Adapter{Name: "strip", On: command.Command{Cmd: "a {{.ip_address}}"}, Vars: secrets("ip_address", "10.0.0.9")}
	want := []command.Problem{{Where: "power_on.cmd", Text: "needs {{.ip_address}}, but the host's management has neither ip_address nor mac_address"}}
	if diff := cmp.Diff(want, command.Unknown(a, nil, false)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if got := command.Unknown(a, nil, true); got != nil {
		t.Errorf("%v", got)
	}
}

// What an adapter has no command for is said, and nothing run in its place.
func TestMissingCommands(t *testing.T) {
	c, err := command.New(command.Options{Name: "h2", Adapter: command.Adapter{Name: "strip", On: command.Command{Cmd: "true"}}})
	if err != nil {
		t.Fatal(err)
	}
	_, state := c.State(t.Context())
	for err, want := range map[error]string{
		state:                                         "has no power_status",
		c.Do(t.Context(), pxepilot.ActionOff):         "has no power_off",
		c.Do(t.Context(), pxepilot.ActionReset):       "has no power_reset",
		c.Do(t.Context(), pxepilot.ActionCycle):       `adapters have no command for "cycle"`,
		c.BootNext(t.Context(), pxepilot.BootPXE, ""): "adapters cannot set what a machine boots next",
	} {
		wants(t, err, want)
		if strings.Contains(err.Error(), errors.ErrUnsupported.Error()) {
			t.Errorf("%v: words of Go", err)
		}
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%v does not wrap errors.ErrUnsupported", err)
		}
	}
}

// An address that is not known, as of one that no sweep found yet.
func TestAddressIsUnknown(t *testing.T) {
	cause := pxepilot.Errorf(pxepilot.Conflict, "no address is known for 00:00:00:00:00:a2; run pxe-pilot discover")
	c, err := command.New(command.Options{Name: "h2", Adapter: command.Adapter{Name: "strip", On: command.Command{Cmd: "true"}},
		Address: func(context.Context) (string, error) { return "", cause }})
	if err != nil {
		t.Fatal(err)
	}
	err = c.Do(t.Context(), pxepilot.ActionOn)
	wants(t, err, "power_on was not run: no address is known for 00:00:00:00:00:a2; run pxe-pilot discover")
	if !errors.Is(err, cause) {
		t.Errorf("%v does not wrap its cause", err)
	}
}
