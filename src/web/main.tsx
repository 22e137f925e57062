// The dashboard's entry: styles and the application, mounted where the page says.

import { render } from 'preact'
import { App } from './app.tsx'
import './styles/base.css'
import './styles/parts.css'
import './styles/fleet.css'
import './styles/pages.css'

const root = document.getElementById('app')!
root.replaceChildren() // until now it said that it loads
render(<App />, root)
