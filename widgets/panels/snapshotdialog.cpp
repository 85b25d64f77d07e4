// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/panels/snapshotdialog.h"

#include <QDialogButtonBox>
#include <QFormLayout>
#include <QLineEdit>
#include <QPushButton>

namespace ql {

SnapshotDialog::SnapshotDialog(const QString& title, const QString& name, const QString& note, QWidget* parent)
    : QDialog(parent), m_name(new QLineEdit(name, this)), m_note(new QLineEdit(note, this))
{
    setWindowTitle(title);
    m_name->selectAll();
    m_note->setPlaceholderText(tr("what it is for"));
    auto* buttons = new QDialogButtonBox(QDialogButtonBox::Ok | QDialogButtonBox::Cancel, this);
    auto* form = new QFormLayout(this);
    form->addRow(tr("Name"), m_name);
    form->addRow(tr("Note"), m_note);
    form->addRow(buttons);
    const auto check = [this, buttons] { buttons->button(QDialogButtonBox::Ok)->setEnabled(!m_name->text().trimmed().isEmpty()); };
    connect(m_name, &QLineEdit::textChanged, this, check);
    connect(buttons, &QDialogButtonBox::accepted, this, &QDialog::accept);
    connect(buttons, &QDialogButtonBox::rejected, this, &QDialog::reject);
    check();
    resize(420, sizeHint().height());
}

QString SnapshotDialog::name() const
{
    return m_name->text().trimmed();
}

QString SnapshotDialog::note() const
{
    return m_note->text().trimmed();
}

} // namespace ql
