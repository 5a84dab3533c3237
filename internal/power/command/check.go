package command

import (
	"regexp"
	"sort"

	"github.com/pxe-pilot/pxe-pilot"
)

// A Problem is something that is wrong with an adapter, or, as a warning,
// unwise.
type Problem struct {
	Where   string // the key below the adapter: "power_on.cmd"
	Text    string
	Warning bool
}

func (p Problem) String() string { return p.Where + " " + p.Text }

// Check tells what is wrong with an adapter whatever host uses it.
func Check(a Adapter) []Problem {
	c, problems := compile(a)
	for _, cmd := range c.all() {
		problems = append(problems, cmd.shown()...)
	}
	return problems
}

// Unknown tells which variables the adapter's commands name that a host with
// such variables of its own, and an address or none, does not have.
func Unknown(a Adapter, host map[string]pxepilot.Secret, address bool) []Problem {
	c, _ := compile(a)
	vars := map[string]pxepilot.Secret{}
	for _, from := range []map[string]pxepilot.Secret{a.Vars, host} {
		for name, value := range from {
			vars[name] = value
		}
	}
	return c.unknown(vars, address)
}

// compiled is an Adapter that was compiled. What has a problem is left out.
type compiled struct {
	name    string
	status  *command
	on, off *regexp.Regexp
	actions map[pxepilot.PowerAction]*command
}

func compile(a Adapter) (*compiled, []Problem) {
	c := &compiled{name: a.Name, actions: map[pxepilot.PowerAction]*command{}}
	var problems, p []Problem
	c.status, problems = compileCommand("power_status", a.Status)
	if a.Status.Cmd != "" {
		for _, pattern := range []struct {
			name, text string
			into       **regexp.Regexp
		}{{"pattern_on", a.PatternOn, &c.on}, {"pattern_off", a.PatternOff, &c.off}} {
			re, err := matcher(pattern.text)
			if err != nil {
				problems = append(problems, Problem{Where: "power_status." + pattern.name, Text: err.Error()})
			}
			*pattern.into = re
		}
	}
	for _, action := range []struct {
		name string
		is   pxepilot.PowerAction
		cmd  Command
	}{
		{"power_on", pxepilot.ActionOn, a.On},
		{"power_off", pxepilot.ActionOff, a.Off},
		{"power_reset", pxepilot.ActionReset, a.Reset},
	} {
		c.actions[action.is], p = compileCommand(action.name, action.cmd)
		problems = append(problems, p...)
	}
	if a.Status.Cmd+a.On.Cmd+a.Off.Cmd+a.Reset.Cmd == "" {
		problems = append(problems, Problem{Where: "power_status", Text: "is missing, and so are power_on, power_off and power_reset"})
	}
	return c, problems
}

// all are the commands in the order of the contract.
func (c *compiled) all() []*command {
	return []*command{c.status, c.actions[pxepilot.ActionOn], c.actions[pxepilot.ActionOff], c.actions[pxepilot.ActionReset]}
}

// unknown tells of variables that are not among vars.
func (c *compiled) unknown(vars map[string]pxepilot.Secret, address bool) []Problem {
	var names []string
	for name := range vars {
		if name != addressVar {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	if address {
		names = append(names, addressVar)
	}
	known := map[string]bool{}
	for _, name := range names {
		known[name] = true
	}
	var problems []Problem
	told := map[string]bool{}
	for _, cmd := range c.all() {
		for _, t := range cmd.texts() {
			for _, name := range t.uses {
				if known[name] || told[t.where+name] {
					continue
				}
				told[t.where+name] = true
				why := "has the unknown variable {{." + name + "}}" + pxepilot.DidYouMean(name, names)
				if name == addressVar {
					why = "needs {{.ip_address}}, but the host's management has neither ip_address nor mac_address"
				}
				problems = append(problems, Problem{Where: t.where, Text: why})
			}
		}
	}
	return problems
}

// shown warns of secrets in the process list, which every user may read.
func (c *command) shown() []Problem {
	var problems []Problem
	told := map[string]bool{}
	all := false
	for i := range c.words {
		if c.words[i].all && !all {
			all = true
			problems = append(problems, Problem{Where: c.words[i].where, Warning: true,
				Text: "takes all variables at once by {{.}}, and what it passes as an argument every user of this machine sees in the process list; name those that it needs"})
		}
		for _, name := range c.words[i].uses {
			if pxepilot.SecretName(name) && !told[name] {
				told[name] = true
				problems = append(problems, Problem{Where: c.words[i].where, Warning: true,
					Text: "passes {{." + name + "}} as an argument, which every user of this machine sees in the process list; pass it by env or stdin"})
			}
		}
	}
	return problems
}
