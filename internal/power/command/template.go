package command

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"text/template"
	"text/template/parse"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/program"
)

// mostExpanded bounds a text once it is expanded: the longest argument that the
// kernel takes (MAX_ARG_STRLEN, execve(2)).
const mostExpanded = 128 << 10

// A text is a template, and where it stands.
type text struct {
	where string // "power_on.cmd"
	tree  *template.Template
	uses  []string // the variables that it names
	all   bool     // it takes them all at once, by a bare dot, whatever their names
}

// A command is a Command that was compiled.
type command struct {
	name  string // "power_on"
	words []text
	env   []variable
	stdin *text
}

type variable struct {
	name  string
	value text
}

// compileText parses one template.
func compileText(where, s string) (text, error) {
	tree, err := template.New(where).Option("missingkey=error").Parse(s)
	if err != nil {
		hint := ""
		if strings.Count(s, "{{") != strings.Count(s, "}}") {
			hint = `; a template with spaces needs quotes, as in "{{ .name }}"`
		}
		return text{}, fmt.Errorf("%s%s", strings.TrimPrefix(err.Error(), "template: "+where+":"), hint)
	}
	t := text{where: where, tree: tree}
	all := tree.Templates()
	slices.SortFunc(all, func(a, b *template.Template) int { return strings.Compare(a.Name(), b.Name()) })
	for _, each := range all {
		if each.Tree != nil {
			t.note(each.Root, true)
		}
	}
	return t, nil
}

// note notes the variables that a part of a template names. All of them are
// strings, which have no fields: whatever stands behind a dot is a variable. A
// bare dot is all of them, unless a with or a range around it made it one value.
func (t *text) note(n parse.Node, dotIsAll bool) {
	use := func(name string) {
		if !slices.Contains(t.uses, name) {
			t.uses = append(t.uses, name)
		}
	}
	switch n := n.(type) {
	case *parse.ListNode:
		if n != nil {
			for _, each := range n.Nodes {
				t.note(each, dotIsAll)
			}
		}
	case *parse.ActionNode:
		t.note(n.Pipe, dotIsAll)
	case *parse.PipeNode:
		if n != nil {
			for _, each := range n.Cmds {
				t.note(each, dotIsAll)
			}
		}
	case *parse.CommandNode:
		if name, ok := indexed(n); ok {
			use(name)
			return
		}
		for _, each := range n.Args {
			t.note(each, dotIsAll)
		}
	case *parse.DotNode:
		t.all = t.all || dotIsAll
	case *parse.FieldNode:
		use(n.Ident[0])
	case *parse.VariableNode:
		switch {
		case n.Ident[0] != "$":
		case len(n.Ident) > 1:
			use(n.Ident[1])
		default:
			t.all = true
		}
	case *parse.ChainNode:
		t.note(n.Node, dotIsAll)
	case *parse.IfNode:
		t.branch(&n.BranchNode, dotIsAll, dotIsAll)
	case *parse.RangeNode:
		t.branch(&n.BranchNode, dotIsAll, false)
	case *parse.WithNode:
		t.branch(&n.BranchNode, dotIsAll, false)
	case *parse.TemplateNode:
		// A dot that is only handed on is used where it arrives.
		t.note(n.Pipe, dotIsAll && n.Pipe != nil && n.Pipe.String() != ".")
	}
}

func (t *text) branch(n *parse.BranchNode, outside, inside bool) {
	t.note(n.Pipe, outside)
	t.note(n.List, inside)
	t.note(n.ElseList, outside)
}

// indexed is the variable that index . "name" takes.
func indexed(n *parse.CommandNode) (name string, ok bool) {
	if len(n.Args) != 3 || n.Args[0].String() != "index" || n.Args[1].String() != "." && n.Args[1].String() != "$" {
		return "", false
	}
	s, ok := n.Args[2].(*parse.StringNode)
	if !ok {
		return "", false
	}
	return s.Text, true
}

// expand fills the variables in.
func (t *text) expand(vars map[string]string) (string, error) {
	var out bounded
	if err := t.tree.Execute(&out, vars); err != nil {
		var long *tooLongError
		if errors.As(err, &long) {
			err = long
		}
		return "", fmt.Errorf("%s cannot be expanded: %s; mend the template%s", t.where,
			strings.TrimPrefix(err.Error(), "template: "+t.where+":"), t.orVariables())
	}
	if s := out.String(); strings.IndexByte(s, 0) < 0 || strings.HasSuffix(t.where, ".stdin") {
		return s, nil
	}
	return "", fmt.Errorf("%s holds a NUL character once it is expanded", t.where)
}

// orVariables names what else may be to blame for a template that fails.
func (t *text) orVariables() string {
	switch {
	case t.all:
		return " or the variables"
	case len(t.uses) > 0:
		return " or {{." + strings.Join(t.uses, "}}, {{.") + "}}"
	}
	return ""
}

// bounded takes a text of at most mostExpanded bytes.
type bounded struct{ strings.Builder }

type tooLongError struct{}

func (*tooLongError) Error() string { return fmt.Sprintf("it is longer than %d KiB", mostExpanded>>10) }

func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > mostExpanded {
		return 0, &tooLongError{}
	}
	return b.Builder.Write(p)
}

// expand makes a program of a command.
func (c *command) expand(vars map[string]string) (*program.Program, error) {
	p := &program.Program{Name: c.name}
	for i := range c.words {
		s, err := c.words[i].expand(vars)
		if err != nil {
			return nil, err
		}
		p.Words = append(p.Words, s)
	}
	for i := range c.env {
		s, err := c.env[i].value.expand(vars)
		if err != nil {
			return nil, err
		}
		p.Env = append(p.Env, c.env[i].name+"="+s)
	}
	if c.stdin != nil {
		s, err := c.stdin.expand(vars)
		if err != nil {
			return nil, err
		}
		p.Stdin = s
	}
	return p, nil
}

// texts are all templates of the command, those of the words first.
func (c *command) texts() []*text {
	var all []*text
	for i := range c.words {
		all = append(all, &c.words[i])
	}
	return append(all, c.hidden()...)
}

// hidden are the templates of what does not show in the process list.
func (c *command) hidden() []*text {
	var all []*text
	for i := range c.env {
		all = append(all, &c.env[i].value)
	}
	if c.stdin != nil {
		all = append(all, c.stdin)
	}
	return all
}

// compileCommand compiles one command of an adapter.
func compileCommand(name string, c Command) (*command, []Problem) {
	cmd := &command{name: name}
	var problems []Problem
	add := func(where string, s string) (text, bool) {
		t, err := compileText(where, s)
		if err != nil {
			problems = append(problems, Problem{Where: where, Text: err.Error()})
		}
		return t, err == nil
	}
	if c.Cmd == "" {
		if len(c.Env) > 0 || c.Stdin != "" {
			problems = append(problems, Problem{Where: name, Text: "has no cmd"})
		}
		return cmd, problems
	}
	words, err := program.Split(c.Cmd)
	if err != nil {
		problems = append(problems, Problem{Where: name + ".cmd", Text: err.Error()})
	}
	for _, w := range words {
		t, ok := add(name+".cmd", w)
		if !ok {
			break // one word cut in two is one problem, not two
		}
		cmd.words = append(cmd.words, t)
	}
	names := make([]string, 0, len(c.Env))
	for n := range c.Env {
		names = append(names, n)
	}
	sort.Strings(names)
	for _, n := range names {
		if !isEnvName(n) {
			problems = append(problems, Problem{Where: name + ".env", Text: pxepilot.Quote(n) + " is no name of a variable (want letters, digits and _)"})
			continue
		}
		if t, ok := add(name+".env."+n, c.Env[n]); ok {
			cmd.env = append(cmd.env, variable{n, t})
		}
	}
	if c.Stdin != "" {
		if t, ok := add(name+".stdin", c.Stdin); ok {
			cmd.stdin = &t
		}
	}
	return cmd, problems
}

func isEnvName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c != '_' && !('a' <= c && c <= 'z') && !('A' <= c && c <= 'Z') && !('0' <= c && c <= '9' && i > 0) {
			return false
		}
	}
	return s != ""
}
