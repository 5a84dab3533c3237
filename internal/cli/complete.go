package cli

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pxe-pilot/pxe-pilot/client"
)

// completeWithin bounds how long a person who pressed Tab waits for the server.
const completeWithin = time.Second

// A source lists candidates from the server: names, each with what may be said
// about it.
type source func(context.Context, *client.Client) ([]candidate, error)

type candidate struct{ name, about string }

func hostNames(ctx context.Context, c *client.Client) ([]candidate, error) {
	hosts, err := c.HostsWithoutPower(ctx)
	var found []candidate
	for i := range hosts {
		found = append(found, candidate{hosts[i].Name, configurationCell(&hosts[i])})
	}
	return found, err
}

func configurationNames(ctx context.Context, c *client.Client) ([]candidate, error) {
	configurations, err := c.Configurations(ctx)
	var found []candidate
	for _, x := range configurations {
		found = append(found, candidate{x.Name, strings.Join(x.Bootloaders, ", ")})
	}
	return found, err
}

func bootloaderNames(ctx context.Context, c *client.Client) ([]candidate, error) {
	bootloaders, err := c.Bootloaders(ctx)
	var found []candidate
	for _, x := range bootloaders {
		found = append(found, candidate{x.Name, x.File})
	}
	return found, err
}

// complete completes arguments: the first from the first source, and so on; the
// last source serves all further ones where many is set. Whatever goes wrong,
// nothing is said.
func (p *program) complete(many bool, sources ...source) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		at := len(args)
		if many {
			at = min(at, len(sources)-1)
		}
		if at >= len(sources) {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		given := args[at:]
		return p.candidates(cmd, sources[at], begun, given), cobra.ShellCompDirectiveNoFileComp
	}
}

// completeOption completes the value of an option.
func (p *program) completeOption(from source) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
		return p.candidates(cmd, from, begun, nil), cobra.ShellCompDirectiveNoFileComp
	}
}

func (p *program) candidates(cmd *cobra.Command, from source, begun string, given []string) []string {
	c, err := p.connect(cmd)
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), completeWithin)
	defer cancel()
	found, err := from(ctx, c)
	if err != nil {
		return nil
	}
	var lines []string
	for _, x := range found {
		// A name that would have to be escaped cannot be typed either.
		if strings.HasPrefix(x.name, begun) && !slices.Contains(given, x.name) && clean(x.name) == x.name {
			lines = append(lines, x.name+"\t"+clean(x.about))
		}
	}
	return lines
}
