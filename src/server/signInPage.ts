// The page on which a browser signs in: a form, no script, nothing from elsewhere.

export interface SignInPage {
  /** Where to go then: a path of this server. */
  readonly next: string
  /** Why it did not work. */
  readonly fault?: string
}

export const signInPage = ({ next, fault }: SignInPage): string => `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>chargelift: sign in</title>
<h1>chargelift</h1>
${fault === undefined ? '' : `<p role="alert">${escaped(fault)}</p>\n`}<form method="post" action="/sign-in">
<input type="hidden" name="next" value="${escaped(next)}">
<p><label>Token <input type="password" name="token" required autofocus autocomplete="current-password" size="52"></label>
<p><button>Sign in</button>
</form>
`

const escaped = (text: string): string => text.replaceAll(/[&<>"']/g, character => `&#${character.charCodeAt(0)};`)
