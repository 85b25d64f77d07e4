// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// SchemeEditor by mouse and keys: edits, mixed selections, what is disabled and why, what does not fit.
#include "support/patience.h"
#include "widgets/models/schemeedit.h"
#include "widgets/panels/copyline.h"
#include "widgets/panels/formatcombo.h"
#include "widgets/panels/schemeeditor.h"
#include "widgets/panels/segmentedchoice.h"
#include "widgets/theme.h"

#include <QApplication>
#include <QClipboard>
#include <QDoubleSpinBox>
#include <QLabel>
#include <QLineEdit>
#include <QScrollArea>
#include <QSignalSpy>
#include <QSlider>
#include <QTest>
#include <QToolButton>

using namespace ql;

Q_DECLARE_METATYPE(ql::Scheme)

namespace {

Scheme schemeOf(const char* text)
{
    return Scheme::parse(text).value();
}

SchemeEditor::Subject subject(const QString& name, const char* scheme, int64_t cols = 256,
                              Decision::Source source = Decision::Source::Default)
{
    SchemeEditor::Subject s;
    s.name = name;
    s.role = TensorRole::AttnV;
    s.rows = 64;
    s.cols = cols;
    s.decision.scheme = schemeOf(scheme);
    s.decision.source = source;
    s.decision.because = "the default scheme";
    return s;
}

template <class T>
T* control(QWidget& editor, const char* accessibleName)
{
    const auto found = editor.findChildren<T*>();
    for (T* widget : found) {
        if (widget->accessibleName() == QLatin1String(accessibleName))
            return widget;
    }
    return nullptr;
}

QAbstractButton* button(QWidget& editor, const char* text)
{
    const auto found = editor.findChildren<QAbstractButton*>();
    for (QAbstractButton* candidate : found) {
        if (candidate->text() == QLatin1String(text) || candidate->accessibleName() == QLatin1String(text))
            return candidate;
    }
    return nullptr;
}

QString messageOf(QWidget& editor)
{
    const auto* label = control<QLabel>(editor, "Why the scheme does not fit");
    return label && label->isVisibleTo(&editor) ? label->text() : QString();
}

} // namespace

class TestSchemeEditor : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void formatsCarryMovedOptionsOver_data()
    {
        QTest::addColumn<QString>("before");
        QTest::addColumn<QString>("format");
        QTest::addColumn<QString>("after");
        QTest::newRow("defaults become the new format's defaults") << "int4" << "nf4" << "nf4";
        QTest::newRow("a chosen group size stays") << "int4,group=32" << "nf4" << "nf4,group=32";
        QTest::newRow("a chosen clip stays") << "int4,clip=mse" << "int8" << "int8,clip=mse";
        QTest::newRow("asymmetry ends where levels are fixed") << "int4,asym" << "nf4" << "nf4";
        QTest::newRow("blocks fix everything") << "int4,group=32,clip=mse" << "q4_0" << "q4_0";
        QTest::newRow("stochastic rounding stays") << "int4,round=stochastic:7" << "int8" << "int8,round=stochastic:7";
    }
    void formatsCarryMovedOptionsOver()
    {
        QFETCH(QString, before);
        QFETCH(QString, format);
        QFETCH(QString, after);
        const auto wanted = formatFromName(format.toStdString());
        QVERIFY(wanted);
        const Scheme result = withFormat(schemeOf(qPrintable(before)), *wanted);
        QCOMPARE(QString::fromStdString(result.text()), after);
        QVERIFY(result.check().ok());
    }

    void everyFixedFieldSaysWhy()
    {
        int fixed = 0;
        for (const FormatTraits& format : schemeTable()) {
            Scheme scheme = Scheme::defaultsFor(format.format);
            for (const SchemeField field : schemeFields()) {
                const bool open = choosableFields(scheme).testFlag(field);
                QCOMPARE(whyFixed(field, scheme).isEmpty(), open);
                fixed += open ? 0 : 1;
            }
        }
        QVERIFY(fixed > 50);
    }

    void everyCombinationOfEditsIsAValidScheme()
    {
        for (const FormatTraits& from : schemeTable()) {
            for (const char* text : {"int4,asym,channel", "int4,range=full,clip=percentile:99", "nf4,double",
                                     "int8,tensor,round=stochastic:3", "int3,scale=e4m3,group=16"}) {
                const Scheme merged = withFields(Scheme::defaultsFor(from.format), schemeOf(text), SchemeField::All);
                QVERIFY2(merged.check().ok(), merged.text().c_str());
                QCOMPARE(merged.format, schemeOf(text).format);
            }
        }
    }

    void choosingAFormatByKeysEmitsItOnce()
    {
        SchemeEditor editor;
        editor.setSubjects({subject("w", "int4")});
        editor.show();
        QSignalSpy edits(&editor, &SchemeEditor::schemeEdited);
        auto* combo = editor.findChild<FormatCombo*>();
        combo->setFocus();
        QTest::keyClicks(combo, "NF4");
        QTest::keyClick(combo, Qt::Key_Return);
        QVERIFY(!edits.isEmpty());
        QCOMPARE(edits.last()[0].value<Scheme>(), schemeOf("nf4"));
        QCOMPARE(edits.last()[2].toBool(), true);
        QCOMPARE(edits.last()[3].value<SchemeFields>(), SchemeFields(SchemeField::Format));
    }

    void headingsOfTheFormatMenuCannotBeChosen()
    {
        FormatCombo combo;
        int headings = 0, formats = 0;
        for (int row = 0; row < combo.count(); ++row) {
            const bool heading = !combo.itemData(row).isValid();
            headings += heading;
            formats += !heading;
            QCOMPARE(bool(combo.model()->flags(combo.model()->index(row, 0)) & Qt::ItemIsSelectable), !heading);
        }
        QCOMPARE(formats, int(schemeTable().size()));
        QVERIFY(headings >= 4);
    }

    void theSliderMovesThroughUnfinishedEdits()
    {
        SchemeEditor editor;
        editor.resize(300, 600);
        editor.setSubjects({subject("w", "int4,clip=mse")});
        editor.show();
        QSignalSpy edits(&editor, &SchemeEditor::schemeEdited);
        auto* slider = editor.findChild<QSlider*>();
        slider->setSliderDown(true);
        slider->setSliderPosition(6);
        QCOMPARE(edits.size(), 1);
        QCOMPARE(edits[0][2].toBool(), false);
        slider->setSliderDown(false);
        QCOMPARE(edits.size(), 2);
        QCOMPARE(edits[1][2].toBool(), true);
        QCOMPARE(edits[1][0].value<Scheme>(), schemeOf("int6,clip=mse"));
        slider->setFocus();
        QTest::keyClick(slider, Qt::Key_Left);
        QCOMPARE(edits.size(), 3);
        QCOMPARE(edits[2][0].value<Scheme>(), schemeOf("int5,clip=mse"));
        QCOMPARE(edits[2][2].toBool(), true);
    }

    void anotherThemeDoesNotWidenIt()
    {
        theme::apply(*qApp, ThemeMode::Light);
        SchemeEditor editor;
        editor.setSubjects({subject("model.layers.0.self_attn.o_proj.weight", "int4")});
        editor.show();
        QVERIFY(QTest::qWaitForWindowExposed(&editor));
        QWidget* body = editor.findChild<QScrollArea*>()->widget();
        const int before = body->minimumSizeHint().width();
        for (const ThemeMode mode : {ThemeMode::Dark, ThemeMode::Light}) {
            theme::apply(*qApp, mode);
            QTest::qWait(20);
            QCOMPARE(body->minimumSizeHint().width(), before);
        }
    }

    void granularityAndRangeByMouse()
    {
        SchemeEditor editor;
        editor.setSubjects({subject("w", "int4")});
        editor.show();
        QSignalSpy edits(&editor, &SchemeEditor::schemeEdited);
        QTest::mouseClick(button(editor, "Channel"), Qt::LeftButton);
        QTest::mouseClick(button(editor, "Full"), Qt::LeftButton);
        QCOMPARE(edits.size(), 2);
        QCOMPARE(edits[1][0].value<Scheme>(), schemeOf("int4,range=full,channel"));
        QTest::mouseClick(button(editor, "Asymmetric"), Qt::LeftButton);
        QCOMPARE(edits[2][0].value<Scheme>(), schemeOf("int4,asym,channel"));
        QVERIFY(!button(editor, "Strict")->isEnabled());
        QVERIFY(control<QWidget>(editor, "Range")->toolTip().contains("Asymmetric"));
    }

    void aParameterIsUnfinishedUntilItRests()
    {
        SchemeEditor editor;
        editor.setSubjects({subject("w", "int4,clip=percentile:99")});
        editor.show();
        QSignalSpy edits(&editor, &SchemeEditor::schemeEdited);
        auto* box = editor.findChild<QDoubleSpinBox*>();
        QVERIFY(box->isVisibleTo(&editor));
        QCOMPARE(box->text(), QString("99"));
        box->setFocus();
        QTest::keyClick(box, Qt::Key_Up);
        QCOMPARE(edits.size(), 1);
        QCOMPARE(edits[0][2].toBool(), false);
        QL_TRY_COMPARE(edits.size(), 2);
        QCOMPARE(edits[1][2].toBool(), true);
        QCOMPARE(edits[1][0].value<Scheme>(), schemeOf("int4,clip=percentile:99.1"));
    }

    void clippingByOutputErrorsSaysWhatItNeeds()
    {
        SchemeEditor editor;
        editor.setSubjects({subject("w", "int4")});
        auto* clip = control<QComboBox>(editor, "Clipping");
        const int row = clip->findData(int(ClipMethod::Output));
        QVERIFY(row >= 0);
        const auto enabled = [&] { return bool(clip->model()->flags(clip->model()->index(row, 0)) & Qt::ItemIsEnabled); };
        QVERIFY(!enabled());
        QVERIFY(clip->itemData(row, Qt::ToolTipRole).toString().contains("calibration"));
        editor.setOutputClip(true, {});
        QVERIFY(enabled());
        QVERIFY(!clip->itemData(row, Qt::ToolTipRole).toString().isEmpty());
        editor.setOutputClip(false, "the reason");
        QVERIFY(!enabled());
        QCOMPARE(clip->itemData(row, Qt::ToolTipRole).toString(), QString("the reason"));
    }

    void doubleQuantizationAsksForF32Scales()
    {
        SchemeEditor editor;
        editor.setSubjects({subject("w", "int4")});
        editor.show();
        QSignalSpy edits(&editor, &SchemeEditor::schemeEdited);
        QTest::mouseClick(button(editor, "Double"), Qt::LeftButton, {}, QPoint(6, button(editor, "Double")->height() / 2));
        QCOMPARE(edits.size(), 1);
        QCOMPARE(edits[0][0].value<Scheme>(), schemeOf("int4,double"));
        QVERIFY(!control<QComboBox>(editor, "Scales")->isEnabled());
        QTest::mouseClick(button(editor, "Tensor"), Qt::LeftButton);
        QCOMPARE(edits[1][0].value<Scheme>().doubleQuant, false);
        QVERIFY(!button(editor, "Double")->isEnabled());
        QVERIFY(!button(editor, "Double")->toolTip().isEmpty());
    }

    void mixedFieldsChangeAloneAndTheOthersStay()
    {
        SchemeEditor editor;
        const QList<SchemeEditor::Subject> subjects = {subject("a", "int4,group=32"), subject("b", "nf4"),
                                                       subject("c", "int8,asym,channel")};
        editor.setSubjects(subjects);
        editor.show();
        QCOMPARE(editor.findChild<FormatCombo*>()->format(), std::nullopt);
        QCOMPARE(editor.findChild<FormatCombo*>()->currentIndex(), -1);
        QCOMPARE(editor.scope(), EditScope::Selection);
        QSignalSpy edits(&editor, &SchemeEditor::schemeEdited);
        auto* clip = control<QComboBox>(editor, "Clipping");
        clip->setFocus();
        QTest::keyClicks(clip, "MSE");
        QCOMPARE(edits.size(), 1);
        const auto fields = edits[0][3].value<SchemeFields>();
        QCOMPARE(fields, SchemeFields(SchemeField::Clip));
        const Scheme edit = edits[0][0].value<Scheme>();
        QStringList results;
        for (const auto& s : subjects)
            results << QString::fromStdString(withFields(s.decision.scheme, edit, fields).text());
        QCOMPARE(results, QStringList({"int4,group=32,clip=mse", "nf4,clip=mse", "int8,asym,channel,clip=mse"}));
    }

    void whatDoesNotFitIsSaidAndNotEmitted()
    {
        SchemeEditor editor;
        editor.setSubjects({subject("w", "int4", 100)});
        editor.show();
        QSignalSpy edits(&editor, &SchemeEditor::schemeEdited);
        auto* combo = editor.findChild<FormatCombo*>();
        combo->setFocus();
        QTest::keyClicks(combo, "Q4_0");
        QCOMPARE(edits.size(), 0);
        QVERIFY2(messageOf(editor).contains("multiple of 32"), qPrintable(messageOf(editor)));
        editor.setSubjects({subject("w", "int4", 100)});
        QVERIFY(messageOf(editor).isEmpty());

    }

    void whatFitsSomeIsEmittedAndSaid()
    {
        SchemeEditor editor;
        editor.setSubjects({subject("narrow", "int4", 100), subject("wide", "int4", 256)});
        editor.show();
        QSignalSpy edits(&editor, &SchemeEditor::schemeEdited);
        QTest::keyClicks(editor.findChild<FormatCombo*>(), "Q4_0");
        QCOMPARE(edits.size(), 1);
        QVERIFY2(messageOf(editor).contains("1 of 2"), qPrintable(messageOf(editor)));
    }

    void scopesFollowTheSelection()
    {
        SchemeEditor editor;
        auto* scope = control<QComboBox>(editor, "Applies to");
        editor.setSubjects({subject("w", "int4")});
        QCOMPARE(editor.scope(), EditScope::Tensor);
        QVERIFY(scope->itemText(scope->findData(int(EditScope::Role))).contains("v_proj"));
        scope->setCurrentIndex(scope->findData(int(EditScope::Role)));
        editor.setSubjects({subject("w2", "int4")});
        QCOMPARE(editor.scope(), EditScope::Role); // stays for the next tensor
        auto other = subject("x", "int4");
        other.role = TensorRole::MlpUp;
        editor.setSubjects({subject("w", "int4"), other});
        QCOMPARE(editor.scope(), EditScope::Selection);
    }

    void lockAndResetAreWishes()
    {
        SchemeEditor editor;
        editor.setSubjects({subject("w", "int4")});
        editor.show();
        QVERIFY(!button(editor, "Back to rule")->isEnabled());
        editor.setSubjects({subject("w", "int8", 256, Decision::Source::Override)});
        QSignalSpy resets(&editor, &SchemeEditor::resetRequested);
        QSignalSpy locks(&editor, &SchemeEditor::lockToggled);
        QTest::mouseClick(button(editor, "Back to rule"), Qt::LeftButton);
        QCOMPARE(resets.size(), 1);
        QTest::mouseClick(button(editor, "Lock"), Qt::LeftButton);
        QCOMPARE(locks.size(), 1);
        QCOMPARE(locks[0][0].toBool(), true);
    }

    void textsCanBeCopiedAndSelected()
    {
        SchemeEditor editor;
        editor.setModelPath("/models/it's here");
        editor.setSubjects({subject("model.layers.0.mlp.up_proj.weight", "int4,clip=mse")});
        const auto lines = editor.findChildren<CopyLine*>();
        QCOMPARE(lines.size(), 2);
        QCOMPARE(lines[0]->text(), QString("int4,clip=mse"));
        QCOMPARE(lines[1]->text(),
                 QString("quantloupe-cli quantize '/models/it'\\''s here' --tensor "
                         "'^model\\.layers\\.0\\.mlp\\.up_proj\\.weight$' --scheme 'int4,clip=mse'"));
        editor.show();
        QTest::mouseClick(lines[0]->findChild<QToolButton*>(), Qt::LeftButton);
        QCOMPARE(QGuiApplication::clipboard()->text(), QString("int4,clip=mse"));
    }

    void whatTheFormatFixesIsNotShownAsChosen_data()
    {
        QTest::addColumn<QString>("text");
        QTest::addColumn<QStringList>("silent");
        QTest::newRow("integer") << "int4" << QStringList();
        QTest::newRow("codebook") << "nf4" << QStringList{"Symmetry", "Range"};
        QTest::newRow("float") << "fp8-e4m3" << QStringList{"Symmetry", "Range"};
        QTest::newRow("microscaling") << "mxfp4" << QStringList{"Symmetry", "Range", "Clipping", "Rounding"};
        QTest::newRow("K-quant") << "q4_k" << QStringList{"Symmetry", "Range", "Clipping", "Rounding"};
        QTest::newRow("keep") << "f16" << QStringList{"Symmetry", "Range", "Scale per", "Group size", "Clipping", "Rounding", "Scales"};
    }
    void whatTheFormatFixesIsNotShownAsChosen()
    {
        QFETCH(QString, text);
        QFETCH(QStringList, silent);
        SchemeEditor editor;
        editor.setSubjects({subject("w", text.toLatin1().constData())});
        for (const char* name : {"Symmetry", "Range", "Scale per", "Rounding"}) {
            auto* choice = control<SegmentedChoice>(editor, name);
            QVERIFY2((choice->current() < 0) == silent.contains(name), name);
        }
        for (const char* name : {"Group size", "Clipping", "Scales"}) {
            auto* box = control<QComboBox>(editor, name);
            QVERIFY2((box->currentIndex() < 0) == silent.contains(name), name);
            if (silent.contains(name))
                QVERIFY2(!box->isEnabled() && !box->toolTip().isEmpty(), name);
        }
    }

    void severalTensorsHaveOneTextOnlyWhereTheyAgree()
    {
        SchemeEditor editor;
        const auto lines = editor.findChildren<CopyLine*>();
        editor.setSubjects({subject("a", "int4"), subject("b", "int4")});
        QCOMPARE(lines[0]->text(), QString("int4"));
        QVERIFY2(lines[1]->text().contains("--tensor '^(a|b)$'"), qPrintable(lines[1]->text()));
        editor.setSubjects({subject("a", "int4"), subject("b", "int8")});
        QCOMPARE(lines[0]->text(), QString());
        QCOMPARE(lines[1]->text(), QString());
    }

    void nothingSelectedHidesTheForm()
    {
        SchemeEditor editor;
        editor.setSubjects({});
        editor.show();
        QVERIFY(!editor.findChild<FormatCombo*>()->isVisible());
        for (const CopyLine* line : editor.findChildren<CopyLine*>())
            QVERIFY(!line->isVisible());
        QVERIFY(control<QLabel>(editor, "What is edited")->text().contains("Select a tensor"));
    }
};

QTEST_MAIN(TestSchemeEditor)
#include "tst_schemeeditor.moc"
