import { pick } from './random.ts'
import type { Random } from './random.ts'

const words = (text: string): string[] => text.trim().split(/\s*,\s*/)

// Chosen so that accents, apostrophes, hyphens, blanks and letters outside Latin-1 all occur in any larger tenant.
const givenNames = words(`
  Olivia, Liam, Emma, Noah, Amelia, Oliver, Sophia, Elijah, Charlotte, James, Ava, William, Isabella, Benjamin, Mia,
  Lucas, Evelyn, Henry, Harper, Theodore, Luna, Jack, Camila, Levi, Gianna, Alexander, Elizabeth, Mateo, Eleanor, Daniel,
  Ella, Michael, Abigail, Mason, Sofía, Sebastián, Avery, Ethan, Scarlett, Logan, Emily, Owen, Aria, Samuel, Penelope,
  Jacob, Chloe, Asher, Layla, Aiden, Mila, John, Nora, Joseph, Hazel, Wyatt, Madison, David, Ellie, Leo, Lily, Luke,
  Priya, Arjun, Ananya, Rohan, Mei, Wei, Yuki, Haruto, Fatima, Omar, Zainab, Yusuf, Ingrid, Lars, Søren, Åsa, Jürgen,
  Käthe, François, Zoë, Renée, José, Nuñez, Łukasz, Agnieszka, Dvořák, Zsófia, Ioana, Ștefan, Mary Ann, Jean-Luc, D'Angelo`)

const surnames = words(`
  Smith, Johnson, Williams, Brown, Jones, Garcia, Miller, Davis, Rodriguez, Martinez, Hernandez, Lopez, Gonzalez, Wilson,
  Anderson, Thomas, Taylor, Moore, Jackson, Martin, Lee, Perez, Thompson, White, Harris, Sanchez, Clark, Ramirez, Lewis,
  Robinson, Walker, Young, Allen, King, Wright, Scott, Torres, Nguyen, Hill, Flores, Green, Adams, Nelson, Baker, Hall,
  Rivera, Campbell, Mitchell, Carter, Roberts, Gomez, Phillips, Evans, Turner, Diaz, Parker, Cruz, Edwards, Collins, Reyes,
  Stewart, Morris, Morales, Murphy, Cook, Rogers, Gutierrez, Ortiz, Morgan, Cooper, Peterson, Bailey, Reed, Kelly, Howard,
  Ramos, Kim, Cox, Ward, Richardson, Watson, Brooks, Chavez, Wood, Bennett, Gray, Mendoza, Ruiz, Hughes, Price, Alvarez,
  Castillo, Sanders, Patel, Myers, Long, Ross, Foster, Jiménez, O'Brien, O'Neill, Müller, Grüßner, van der Berg, de la Cruz,
  Nowak-Kowalska, Håkansson, Lindström, Kovács, Ionescu, Đorđević, Yılmaz, Tanaka, Zhang, Okafor, Adeyemi, MacDonald`)

const companyFirst = words(`
  Northpeak, Harborview, Blue Heron, Cedar Point, Ironwood, Lakeside, Summit Ridge, Silver Birch, Granite Bay, Redwood,
  Stonebridge, Fairhaven, Maple Street, Copper Canyon, Willow Creek, Prairie, Bayside, Crescent, Juniper, Hawthorne,
  Westgate, Riverbend, Old Mill, Beacon Hill, Pine Hollow, Clearwater, Foxglove, Thornton, Ashford, Kingsley`)

const companySecond = words(`
  Dental, Legal, Accounting, Logistics, Veterinary, Architects, Engineering, Manufacturing, Insurance, Realty, Pediatrics,
  Construction, Credit Union, Brewing, School, Foods, Marine, Optics, Plumbing, Wealth, Roofing, Physio, Media, Farms`)

/** Departments with their job titles and share of the staff. */
export const departments: readonly (readonly [{ name: string; titles: readonly string[] }, number])[] = [
  [{ name: 'Operations', titles: ['Operations Manager', 'Coordinator', 'Dispatcher', 'Shift Lead'] }, 26],
  [{ name: 'Sales', titles: ['Account Executive', 'Sales Manager', 'Inside Sales Representative'] }, 20],
  [{ name: 'Finance', titles: ['Accountant', 'Controller', 'Accounts Payable Clerk', 'CFO'] }, 11],
  [{ name: 'Engineering', titles: ['Engineer', 'Senior Engineer', 'Design Lead', 'Drafter'] }, 14],
  [{ name: 'Human Resources', titles: ['HR Generalist', 'Recruiter', 'HR Director'] }, 6],
  [{ name: 'Marketing', titles: ['Marketing Specialist', 'Content Manager', 'Brand Lead'] }, 7],
  [{ name: 'IT', titles: ['Systems Administrator', 'Help Desk Technician', 'IT Manager'] }, 6],
  [{ name: 'Customer Service', titles: ['Service Representative', 'Team Lead', 'Receptionist'] }, 10],
]

export const offices = ['Headquarters', 'North Branch', 'Downtown', 'Warehouse 2', 'Remote'] as const

export const projects = words(`
  Apollo, Borealis, Cascade, Dragonfly, Everest, Falcon, Glacier, Horizon, Indigo, Jupiter, Kestrel, Lighthouse, Mercury,
  Nimbus, Orchid, Phoenix, Quartz, Rubicon, Sequoia, Tempest, Umbra, Voyager, Whisper, Xenon, Yosemite, Zephyr`)

export interface PersonName {
  givenName: string
  surname: string
  displayName: string
  /** `given.surname` in plain ASCII, as mail aliases are made. */
  alias: string
}

/** A name of a person. */
export function personName(random: Random): PersonName {
  const [givenName, surname] = [pick(random, givenNames), pick(random, surnames)]
  return {
    givenName,
    surname,
    displayName: `${givenName} ${surname}`,
    alias: `${ascii(givenName)}.${ascii(surname)}`,
  }
}

/** The n-th customer's name; names repeat with a number only after 720 of them. */
export function companyName(index: number): string {
  const round = Math.floor(index / (companyFirst.length * companySecond.length))
  // 7 shares no divisor with 30 nor, as the second word's step a round, with 24: all 720 pairs come before one repeats.
  const first = companyFirst[(index * 7) % companyFirst.length] ?? ''
  const second = companySecond[(index + Math.floor(index / companyFirst.length)) % companySecond.length] ?? ''
  return `${first} ${second}${round > 0 ? ` ${round + 1}` : ''}`
}

/** Lower-case ASCII letters and digits only. */
export function ascii(text: string): string {
  return text
    .normalize('NFKD')
    .replace(
      /[ßłøđı]/gi,
      (letter) => ({ ß: 'ss', ł: 'l', ø: 'o', đ: 'd', ı: 'i' })[letter.toLowerCase()] ?? '',
    )
    .toLowerCase()
    .replace(/[^a-z0-9]/g, '')
}
