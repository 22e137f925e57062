// The entry of the dashboard: mounts the styles and the application in the page.

import { render } from 'preact'
import { App } from './app.tsx'
import './styles/base.css'
import './styles/parts.css'
import './styles/fleet.css'
import './styles/pages.css'

const root = document.getElementById('app')!
root.replaceChildren() // removes the text that says that the page loads
render(<App />, root)
