// The page on which a browser signs in: a form, without scripts and without anything from other hosts.

export interface SignInPage {
  /** Where to go afterwards: a path of this server. */
  readonly next: string
  /** Why signing in failed. */
  readonly fault?: string
}

export const signInPage = ({ next, fault }: SignInPage): string => `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>chargelift: sign in</title>
<link rel="stylesheet" href="${signInStylePath}">
<main>
<h1>chargelift</h1>
${fault === undefined ? '' : `<p role="alert">${escaped(fault)}</p>\n`}<form method="post" action="/sign-in">
<input type="hidden" name="next" value="${escaped(next)}">
<p><label>Token <input type="password" name="token" required autofocus autocomplete="current-password" size="52"></label>
<p><button>Sign in</button>
</form>
<p class="quiet">A token is made on the server: chargelift tokens add NAME
</main>
`

const escaped = (text: string): string => text.replaceAll(/[&<>"']/g, character => `&#${character.charCodeAt(0)};`)

export const signInStylePath = '/sign-in.css'

/** A file of its own, because nothing inline is allowed. The colours are those of the dashboard. */
export const signInStyle = `:root { color-scheme: light dark; --ground: #f5f6f8; --surface: #fff; --line: #c3cad3; --text: #15202b;
  --quiet: #566270; --accent: #0b6e4f; --on-accent: #fff; --bad: #a1241b; --bad-soft: #fde7e5; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #0e1217; --surface: #161c23; --line: #3d4956; --text: #e7ecf1; --quiet: #9ba8b6; --accent: #58cfa0;
    --on-accent: #06281c; --bad: #ffa399; --bad-soft: #411f1c; }
}
* { box-sizing: border-box; }
body { display: grid; place-items: center; min-height: 100vh; margin: 0; padding: 16px; background: var(--ground);
  color: var(--text); font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
main { width: 100%; max-width: 420px; padding: 32px; border: 1px solid var(--line); border-radius: 14px;
  background: var(--surface); }
h1 { margin: 0 0 20px; font-size: 1.5rem; letter-spacing: -0.015em; }
p { margin: 0 0 16px; }
label { display: block; }
input { display: block; width: 100%; height: 46px; margin-top: 6px; padding: 0 12px; border: 1px solid var(--line);
  border-radius: 9px; background: var(--ground); color: inherit; font: inherit; }
button { width: 100%; height: 46px; border: 0; border-radius: 9px; background: var(--accent); color: var(--on-accent);
  font: inherit; font-weight: 600; cursor: pointer; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
[role=alert] { padding: 10px 14px; border-radius: 9px; background: var(--bad-soft); color: var(--bad); }
.quiet { margin: 0; color: var(--quiet); font-size: 0.875rem; }
`
